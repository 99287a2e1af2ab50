/** `diffrate search` from outside, for one budget and for a front of them. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Schedule } from '../../src/reduction/schedule.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { writeSmallModelFolder } from '../evaluation/small-network.ts';
import { schemaFaults } from '../report-schema.ts';
import { expectFailure, expectQuestion, jsonOf } from './expectations.ts';
import { buildIfStale, runProgram, startProgram } from './program.ts';
import type { ProgramResult } from './program.ts';

let directory = '';
const run = (...args: string[]): Promise<ProgramResult> => runProgram(args, directory);

beforeAll(async () => {
  buildIfStale();
  directory = mkdtempSync(join(tmpdir(), 'diffrate-search-'));
  await writeSmallModelFolder(join(directory, 'small'));
  await writeRandomImages(join(directory, 'images'), 12);
}, 180_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('diffrate search', () => {
  const search = (out: string, ...more: string[]): string[] => [
    'search',
    'small',
    '--data',
    'images',
    '--ratio',
    '0.7',
    '--batch',
    '4',
    '--out',
    out,
    ...more,
  ];
  const scheduleIn = (file: string): Schedule => JSON.parse(readFileSync(join(directory, file), 'utf8')) as Schedule;

  it('writes a schedule at the target, the same one for the same seed', async () => {
    const report = jsonOf(await run(...search('found/a.json', '--steps', '12', '--json')));
    const found = scheduleIn('found/a.json');
    expect(schemaFaults('schedule', found)).toEqual([]);
    expect(report).toMatchObject({
      out: 'found/a.json',
      steps: 12,
      skipped: [],
      pruneKept: found.pruneKept,
      mergeKept: found.mergeKept,
    });
    expect(found.gflops).toBeLessThanOrEqual(found.target as number);
    const plain = jsonOf(await run('flops', 'small', '--schedule', 'found/a.json', '--json'));
    expect(plain['gflops']).toBeCloseTo(found.gflops ?? 0, 6);
    expect((await run(...search('found/b.json', '--steps', '12'))).code).toBe(0);
    expect(scheduleIn('found/b.json')).toEqual(found);
    expect(readdirSync(join(directory, 'found')).sort()).toEqual(['a.json', 'b.json']);
  });

  it(
    'ends after the running step when interrupted, and goes on to the same schedule',
    { timeout: 120_000 },
    async () => {
      const steps = ['--steps', '400'];
      mkdirSync(join(directory, 'stopped'), { recursive: true });
      const { child, done } = startProgram(search('stopped/a.json', ...steps), directory);
      await new Promise<void>((begun) =>
        child.stderr?.on('data', (text: string) => /step \d+ of/.test(text) && begun()),
      );
      child.kill('SIGINT');
      const stopped = await done;
      expectFailure(stopped, 1, /stopped after step \d+ of 400; continue it with --resume/);
      expect(existsSync(join(directory, 'stopped/a.json'))).toBe(false);
      expect(readdirSync(join(directory, 'stopped'))).toEqual(['a.json.checkpoint']);
      const checkpoint = join(directory, 'stopped/a.json.checkpoint');
      await expectQuestion((...more) => run(...search('stopped/a.json', ...steps, ...more)), checkpoint, 'search');
      mkdirSync(join(directory, 'anew'));
      copyFileSync(checkpoint, join(directory, 'anew/a.json.checkpoint'));
      expect((await run(...search('anew/a.json', '--steps', '8', '--restart'))).code).toBe(0);
      expect(readdirSync(join(directory, 'anew'))).toEqual(['a.json']);
      expect(scheduleIn('anew/a.json').createdBy).toMatch(/preset small-data, 8 steps/);
      expect((await run(...search('stopped/a.json', ...steps, '--resume'))).code).toBe(0);
      expect((await run(...search('stopped/b.json', ...steps))).code).toBe(0);
      expect(scheduleIn('stopped/a.json')).toEqual(scheduleIn('stopped/b.json'));
      expect(readdirSync(join(directory, 'stopped')).sort()).toEqual(['a.json', 'b.json']);
    },
  );
});

describe('diffrate search --front', () => {
  const search = (out: string, ...more: string[]): string[] => [
    'search',
    'small',
    '--data',
    'images',
    '--batch',
    '4',
    '--out',
    out,
    ...more,
  ];
  const read = (file: string): string => readFileSync(join(directory, file), 'utf8');
  const names = ['front.csv', 'front.json', 'schedule-0.600.json', 'schedule-0.725.json', 'schedule-0.850.json'];

  it('writes a schedule for each budget that other commands take, and an index', async () => {
    const report = jsonOf(await run(...search('fronts/a/', '--front', '0.85:0.6:3', '--json', '--steps', '9')));
    expect(readdirSync(join(directory, 'fronts'))).toEqual(['a']);
    expect(readdirSync(join(directory, 'fronts/a')).sort()).toEqual(names);
    const index = JSON.parse(read('fronts/a/front.json')) as Record<string, unknown>;
    expect(schemaFaults('front', index)).toEqual([]);
    expect(report).toMatchObject({ ...index, out: 'fronts/a/', model: 'small', steps: 12, skipped: [] });
    const points = index['points'] as {
      ratio: number;
      gflops: number;
      target: number;
      loss: number;
      schedule: string;
    }[];
    expect(points.map(({ ratio }) => ratio)).toEqual([0.85, 0.725, 0.6]);
    expect(read('fronts/a/front.csv').split('\r\n')).toEqual([
      'ratio,target,gflops,loss,schedule',
      ...points.map(({ ratio, target, gflops, loss, schedule: file }) =>
        [ratio, target, gflops, loss, file].map(String).join(','),
      ),
      '',
    ]);
    for (const { gflops, target, schedule: file } of points) {
      expect(gflops).toBeLessThanOrEqual(target);
      const found = JSON.parse(read(`fronts/a/${file}`)) as Schedule;
      expect(found).toMatchObject({ gflops, target });
      const args = ['small', '--data', 'images', '--schedule', `fronts/a/${file}`, '--json'];
      const evaluated = jsonOf(await run('eval', ...args));
      expect(evaluated['gflops']).toBeCloseTo(gflops, 6);
      const out = `fronts-exported/${file}`;
      expect((await run('export', 'small', '--schedule', `fronts/a/${file}`, '--out', out)).code).toBe(0);
    }
  }, 120_000);

  it('prints a table, and replaces the schedules of an earlier front but nothing else', async () => {
    mkdirSync(join(directory, 'fronts/b'), { recursive: true });
    writeFileSync(join(directory, 'fronts/b/schedule-0.123.json'), 'mine');
    expect((await run(...search('fronts/b', '--front', '0.85:0.8:2', '--steps', '9'))).code).toBe(0);
    const { code, stdout } = await run(...search('fronts/b', '--front', '0.85:0.6:3', '--steps', '9'));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ratio +GFLOPs +loss +schedule\n0\.850 .*\n0\.725 .*\n0\.600 .*schedule-0\.600\.json\n/);
    expect(stdout).toMatch(
      /fronts\/b: 3 schedules, searched in .* \(12 steps, \d+ image passes\), tokens selected by dissimilarity\n$/,
    );
    expect(readdirSync(join(directory, 'fronts/b')).sort()).toEqual([...names, 'schedule-0.123.json'].sort());
    expect(read('fronts/b/schedule-0.123.json')).toBe('mine');
  }, 120_000);

  it(
    'ends after the running step when interrupted, and goes on to the same schedules',
    { timeout: 120_000 },
    async () => {
      const steps = ['--front', '0.85:0.6:3', '--steps', '300'];
      const { child, done } = startProgram(search('fronts/c', ...steps), directory);
      await new Promise<void>((begun) =>
        child.stderr?.on('data', (text: string) => /step \d+ of/.test(text) && begun()),
      );
      child.kill('SIGINT');
      expectFailure(await done, 1, /stopped after step \d+ of 400; continue it with --resume/);
      expect(existsSync(join(directory, 'fronts/c'))).toBe(false);
      const checkpoint = join(directory, 'fronts/c.checkpoint');
      await expectQuestion((...more) => run(...search('fronts/c', ...steps, ...more)), checkpoint, 'search');
      expect((await run(...search('fronts/c', ...steps, '--resume'))).code).toBe(0);
      expect((await run(...search('fronts/d', ...steps))).code).toBe(0);
      for (const name of names) expect(read(`fronts/c/${name}`)).toBe(read(`fronts/d/${name}`));
      expect(existsSync(checkpoint)).toBe(false);
    },
  );
});

describe('two searches into one place', () => {
  it.each([
    ['a schedule', 'taken.json', ['--ratio', '0.7']],
    ['a front', 'taken', ['--front', '0.85:0.6:3']],
  ])('are refused, of %s', async (_, out, target) => {
    const lock = join(directory, `${out}.lock`);
    writeFileSync(lock, JSON.stringify({ pid: process.ppid, host: hostname(), began: 0, id: 'another' }));
    const result = await run('search', 'small', '--data', 'images', ...target, '--out', out, '--steps', '4');
    expectFailure(result, 1, new RegExp(`Process ${process.ppid} is already writing ${out}: wait for it`));
    expect(readdirSync(directory).filter((name) => name.startsWith(out))).toEqual([`${out}.lock`]);
    rmSync(lock);
  });
});
