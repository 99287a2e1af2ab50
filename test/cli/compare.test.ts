/** `diffrate compare` from outside: table, files, report, resuming, exit codes and sentences. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ComparisonReport } from '../../src/cli/commands/compare.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { writeSmallModelFolder } from '../evaluation/small-network.ts';
import { randomWeights, writeHuggingFaceFolder } from '../random-network.ts';
import { smallSizes } from '../small-networks.ts';
import { schemaFaults } from '../report-schema.ts';
import { expectQuestion, jsonOf } from './expectations.ts';
import { buildIfStale, runProgram, startProgram } from './program.ts';
import type { ProgramResult } from './program.ts';

const schedule = { model: 'small', inputSize: 32, pruneKept: [17, 14, 10, 6], mergeKept: [17, 12, 8, 3] };
const smaller = { ...schedule, pruneKept: [17, 12, 8, 6], mergeKept: [17, 10, 6, 2] };

let directory = '';
const run = (...args: string[]): Promise<ProgramResult> => runProgram(args, directory);
const inDirectory = (...names: string[]): string => join(directory, ...names);
const read = (...names: string[]): string => readFileSync(inDirectory(...names), 'utf8');

beforeAll(async () => {
  buildIfStale();
  directory = mkdtempSync(join(tmpdir(), 'diffrate-compare-'));
  await writeSmallModelFolder(inDirectory('small'));
  await writeHuggingFaceFolder(inDirectory('encoder'), {
    weights: randomWeights({ ...smallSizes, classes: 0 }),
    config: { id2label: undefined },
  });
  await writeRandomImages(inDirectory('images'), 6, [0, 1, 2, 3, 4, 5]);
  writeFileSync(inDirectory('schedule.json'), JSON.stringify(schedule));
  writeFileSync(inDirectory('smaller.json'), JSON.stringify(smaller));
}, 180_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** One sentence on standard error and nothing else. */
function expectFailure(result: ProgramResult, code: number, sentence: RegExp): void {
  expect(result.stderr).toMatch(sentence);
  expect(result.stderr.split('\n').filter((line) => line.startsWith('error: '))).toHaveLength(1);
  expect(result.stderr).not.toMatch(/^\s+at |something went wrong inside/m);
  expect(result).toMatchObject({ code, stdout: '' });
}

const data = ['small', '--data', 'images', '--rounds', '1'];

describe('diffrate compare', () => {
  it('compares every method at every budget, and writes table, CSV, JSON and report', async () => {
    const budgets = ['--budgets', '0.9,0.7', '--schedules', 'smaller.json,schedule.json'];
    const result = await run('compare', ...data, ...budgets, '--out', 'all', '--random-schedules', '12@0.7');
    expect(result.stderr).not.toMatch(/^(error|warning)/m);
    expect(result.code).toBe(0);
    for (const word of ['diffrate:schedule=schedule.json', 'tome:r=', 'ats:tokens=', 'evit:', 'uncompressed'])
      expect(result.stdout).toContain(word);
    expect(result.stdout).toMatch(/^ +0\.7 +diffrate:schedule=smaller\.json/m);
    expect(result.stdout).toMatch(/DiffRate .* by KL .* among 12 random schedules at a budget of 0\.7/);
    expect(readdirSync(inDirectory('all')).sort()).toEqual(['comparison.csv', 'comparison.html', 'comparison.json']);
    const report = JSON.parse(read('all', 'comparison.json')) as ComparisonReport;
    expect(schemaFaults('compare', report)).toEqual([]);
    expect(report.cells).toHaveLength(32);
    expect(report.baseline.images).toBe(6);
    for (const cell of report.cells) {
      if (cell.kind !== 'measured') continue;
      // Of a ragged method FLOPs are a mean; here its calibration sample is all there is.
      expect(cell.gflops).toBeLessThanOrEqual(report.baseline.gflops * cell.budget * (1 + 1e-9));
      expect(cell.images).toBe(6);
      expect(cell.kl).toBeGreaterThan(0);
      expect(cell.speedup).toBeGreaterThan(0);
    }
    // Each block of this network is a large part of it, so not every method comes near; most do.
    const near = report.cells.filter(
      (cell) => cell.kind === 'measured' && cell.gflops > report.baseline.gflops * cell.budget * 0.9,
    );
    expect(near.length).toBeGreaterThanOrEqual(10);
    expect(report.rankings).toHaveLength(1);
    expect(report.rankings[0]?.random).toHaveLength(12);
    expect(report.rankings[0]?.placed[0]?.rankByKl).toBeLessThanOrEqual(13);
    const lines = read('all', 'comparison.csv').trim().split('\r\n');
    expect(lines).toHaveLength(1 + 1 + 32);
    expect(lines[0]).toMatch(/^budget,asked,method,gflops,/);
    const page = read('all', 'comparison.html');
    for (const id of ['comparison', 'random-schedules', 'provenance']) expect(page).toContain(`<section id="${id}"`);
    expect(page.match(/<svg/g)).toHaveLength(4);
    expect(page).toContain('diffrate compare small --data images');
  }, 180_000);

  it('searches a schedule for each budget, and prints one object', async () => {
    const search = ['--search-data', 'images', '--search-steps', '2'];
    const args = [...data, '--budgets', '0.75', '--methods', 'diffrate,uniform', ...search, '--out', 'searched'];
    const result = await run('compare', ...args, '--json');
    expect(result.stderr).not.toMatch(/^(error|warning(?!.* to search on))/m);
    const report = jsonOf<ComparisonReport>(result);
    expect(report).toMatchObject({ model: 'small', images: 6, out: 'searched', rankings: [] });
    const [diffrate] = report.cells;
    expect(diffrate?.kind === 'measured' && diffrate.method).toMatch(
      /^diffrate:schedule=searched\/schedules\/small-.*json$/,
    );
    expect(readdirSync(inDirectory('searched', 'schedules'))).toHaveLength(1);
  }, 180_000);

  it('takes no schedule of another comparison for one that it has searched itself', async () => {
    const search = ['--search-data', 'images', '--search-steps', '2'];
    const args = [...data, '--budgets', '0.75', '--methods', 'diffrate', ...search, '--out', 'again', '--json'];
    const searched = async (...more: string[]): Promise<string> => {
      expect((await run('compare', ...args, ...more)).code).toBe(0);
      const [file] = readdirSync(inDirectory('again', 'schedules'));
      return read('again', 'schedules', file as string);
    };
    expect(await searched()).toContain('seed 0');
    // That one is done: there is nothing to continue.
    expect(await searched('--seed', '1', '--resume')).toContain('seed 1');
    // One that was stopped before it searched, and does not get to a budget of the one before until
    // then.
    const file = join('again', 'schedules', readdirSync(inDirectory('again', 'schedules'))[0] as string);
    const stale = JSON.parse(read(file)) as { createdBy: string };
    const { child, done } = startProgram(['compare', ...args, '--seed', '2'], directory);
    const checkpoint = inDirectory('again', 'comparison.checkpoint');
    const watch = setInterval(() => {
      if (existsSync(checkpoint)) child.kill('SIGKILL');
    }, 1);
    await done;
    clearInterval(watch);
    writeFileSync(inDirectory(file), JSON.stringify({ ...stale, createdBy: 'seed 9' }));
    expect(JSON.parse(readFileSync(checkpoint, 'utf8'))).toMatchObject({
      searches: { [String((stale as never)['target'])]: 'begun' },
    });
    expect(await searched('--seed', '2', '--resume')).toContain('seed 2');
    expect(existsSync(checkpoint)).toBe(false);
  }, 180_000);

  it('is refused where another process compares into the folder', async () => {
    mkdirSync(inDirectory('taken'));
    const owner = { pid: process.ppid, host: hostname(), began: 0, id: 'another' };
    writeFileSync(inDirectory('taken', 'comparison.lock'), JSON.stringify(owner));
    const result = await run('compare', ...data, '--budgets', '0.9', '--methods', 'tome', '--out', 'taken');
    expectFailure(result, 1, new RegExp(`Process ${process.ppid} is already writing taken: wait for it`));
    expect(readdirSync(inDirectory('taken'))).toEqual(['comparison.lock']);
  });

  it('leaves no empty folder where nothing could be compared', async () => {
    await writeRandomImages(inDirectory('misfits'), 2, [0, 999]);
    const args = ['--data', 'misfits', '--budgets', '0.9', '--methods', 'tome', '--out', 'nothing'];
    expectFailure(await run('compare', 'small', ...args), 1, /label.* 999/);
    expect(existsSync(inDirectory('nothing'))).toBe(false);
  });

  it('continues where it was killed, and does not start finished cells again', async () => {
    const args = ['compare', ...data, '--budgets', '0.9,0.8,0.7', '--methods', 'tome,evit', '--out', 'stopped'];
    const { child, done } = startProgram(args, directory);
    const checkpoint = inDirectory('stopped', 'comparison.checkpoint');
    const state = (): { cells: Record<string, unknown>[] } => JSON.parse(readFileSync(checkpoint, 'utf8')) as never;
    const watch = setInterval(() => {
      if (existsSync(checkpoint) && state().cells.length > 0) child.kill('SIGKILL');
    }, 1);
    await done;
    clearInterval(watch);
    const saved = state();
    expect(saved.cells.length).toBeGreaterThan(0);
    expect(readdirSync(inDirectory('stopped'))).not.toContain('comparison.csv');
    await expectQuestion((...more) => run(...args, ...more), checkpoint, 'comparison');
    // A mark that only survives where the cell is taken as it is.
    for (const cell of saved.cells) cell['imagesPerSecond'] = 123_456;
    writeFileSync(checkpoint, JSON.stringify(saved));
    expectFailure(
      await run(...args, '--resume', '--limit', '3'),
      1,
      /comparison\.checkpoint' belongs to another comparison/,
    );
    expectFailure(await run(...args, '--resume', '--threads', '1'), 1, /belongs to another comparison \(.*all threads/);
    // Trained again in the meantime, into the same folder.
    await writeSmallModelFolder(inDirectory('small'), 2);
    expectFailure(await run(...args, '--resume'), 1, /belongs to another comparison \(.*weights/);
    await writeSmallModelFolder(inDirectory('small'));
    const { cells } = jsonOf<ComparisonReport>(await run(...args, '--resume', '--json'));
    expect(cells).toHaveLength(6);
    const kept = cells.filter((cell) => cell.kind === 'measured' && cell.imagesPerSecond === 123_456);
    expect(kept).toHaveLength(saved.cells.length);
    expect(existsSync(checkpoint)).toBe(false);
  }, 180_000);

  it('compares an encoder by its features, or by what is asked for', async () => {
    const encoder = ['encoder', ...data.slice(1), '--budgets', '0.7', '--methods', 'tome,uniform', '--out', 'features'];
    const usual = await run('compare', ...encoder);
    expect(usual.stderr).not.toMatch(/^error/m);
    expect(usual.stdout).toMatch(/^budget .*cosine distance of features \(1 − cosine\) +same neighbours %/m);
    expect(usual.stdout).not.toMatch(/top-1|KL/);
    const page = read('features', 'comparison.html');
    expect(page).toContain('Distance of the answers over FLOPs.');
    expect(page).not.toMatch(/Accuracy over FLOPs|KL over FLOPs/);
    const asked = await run('compare', ...encoder, '--objective', 'regressionError', '--json');
    const { cells } = jsonOf<ComparisonReport>(asked);
    for (const cell of cells)
      expect(cell.kind === 'measured' && cell.objective).toMatchObject({
        name: 'regressionError',
        unit: 'standard deviations',
      });
  }, 180_000);

  it('names its folder after the network where none is given', async () => {
    const { code, stdout } = await run('compare', ...data, '--budgets', '0.7', '--methods', 'tome');
    expect(code).toBe(0);
    expect(stdout).toContain(join('small-comparison', 'comparison.csv'));
    expect(readdirSync(inDirectory('small-comparison')).sort()).toEqual([
      'comparison.csv',
      'comparison.html',
      'comparison.json',
    ]);
  }, 180_000);

  it('says what is out of reach of one method, and goes on', async () => {
    const args = [...data, '--budgets', '0.5', '--methods', 'evit,ppt,uniform', '--out', 'reach', '--json'];
    const { cells } = jsonOf<ComparisonReport>(await run('compare', ...args));
    const missing = cells.filter((cell) => cell.kind === 'missing');
    expect(missing.length).toBeGreaterThan(0);
    for (const cell of missing)
      expect(cell.kind === 'missing' && cell.reason).toMatch(/^out of reach: at least 0\.\d+ GFLOPs$/);
    expect(cells.some((cell) => cell.kind === 'measured')).toBe(true);
  }, 180_000);

  it.each([
    [['--objective', 'regressionError'], 2, /which regressionError cannot compare: choose classDivergence/],
    [['--methods', 'tomm'], 2, /There is no method "tomm": use one of diffrate, uniform, /],
    [['--methods', 'tome:rate=1'], 2, /The method tome has no parameter "rate": it has r, proportional\./],
    [['--methods', 'tome:r=3'], 2, /must not give tome:r: the comparison finds it for each budget/],
    [['--methods', 'tome,tome'], 2, /names tome twice/],
    [['--budgets', '0.7,1.2'], 2, /--budgets must be shares .* not "1\.2"/],
    [['--random-schedules', 'many'], 2, /--random-schedules must be a whole number from 1, not "many"/],
    [['--schedules', 'schedule.json', '--search-data', 'images'], 2, /exclude each other/],
    [['--search-steps', '5'], 2, /--search-steps is the length of a search: give --search-data DIR/],
    [['--methods', 'tome', '--random-schedules', '5@0.01'], 1, /There is no random schedule of/],
    [['--schedules', 'absent.json'], 1, /absent\.json cannot be read/],
    [['--methods', 'tome,evit', '--budgets', '0.7,0.01'], 1, /None of the methods reaches a budget of 0\.01/],
    [['--methods', 'diffrate'], 1, /None of the methods reaches a budget of 0\.9 .*: no schedule: give --search-data/],
  ])('answers %j with exit code %i and one sentence', async (args, code, sentence) => {
    expectFailure(await run('compare', ...data, ...args, '--out', 'wrong'), code, sentence);
    expect(existsSync(inDirectory('wrong', 'comparison.json'))).toBe(false);
  });
});
