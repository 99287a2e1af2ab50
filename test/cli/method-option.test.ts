/** `--method` of the built program: in eval, bench, flops and export. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveCompression } from '../../src/cli/method-option.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { smallNetwork, writeSmallModelFolder } from '../evaluation/small-network.ts';
import { jsonOf } from './expectations.ts';
import { buildIfStale, runProgram } from './program.ts';
import type { ProgramResult } from './program.ts';

const schedule = { model: 'small', inputSize: 32, pruneKept: [17, 14, 10, 6], mergeKept: [17, 12, 8, 3] };

let directory = '';
const run = (...args: string[]): Promise<ProgramResult> => runProgram(args, directory);

const reportOf = async (...args: string[]): Promise<Record<string, unknown>> => jsonOf(await run(...args, '--json'));

beforeAll(async () => {
  buildIfStale();
  directory = mkdtempSync(join(tmpdir(), 'diffrate-method-'));
  await writeSmallModelFolder(join(directory, 'small'));
  await writeRandomImages(join(directory, 'images'), 5);
  writeFileSync(join(directory, 'schedule.json'), JSON.stringify(schedule));
}, 180_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('--method of a network that was trained for one', () => {
  const trained = { ...smallNetwork(), name: 'mine', trainedMethod: 'ltmp:target=0.6' };

  it('has the settings of its training where none are given', async () => {
    for (const method of [undefined, 'ltmp', 'ltmp:target=0.6'])
      expect((await resolveCompression({ method }, trained)).method?.name).toBe('ltmp:target=0.6');
  });

  it('does not call its thresholds those of another training, but may be trained again', async () => {
    await expect(resolveCompression({ method: 'ltmp:target=0.5' }, trained)).rejects.toThrow(
      /^mine was trained for ltmp:target=0\.6, not for ltmp:target=0\.5: leave target out, or train another one/,
    );
    const again = await resolveCompression({ method: 'ltmp:target=0.5' }, trained, true);
    expect(again.method?.name).toBe('ltmp:target=0.5');
  });
});

describe('--method', () => {
  it('evaluates, with FLOPs by the paper’s count', async () => {
    const [bySchedule, byMethod, merged] = await Promise.all([
      reportOf('eval', 'small', '--data', 'images', '--schedule', 'schedule.json'),
      reportOf('eval', 'small', '--data', 'images', '--method', 'diffrate:schedule=schedule.json'),
      reportOf('eval', 'small', '--data', 'images', '--method', 'tome:r=3'),
    ]);
    expect(byMethod).toMatchObject({ method: 'diffrate:schedule=schedule.json', schedule: null });
    expect(byMethod?.['kl']).toBe(bySchedule?.['kl']);
    expect(byMethod?.['gflops']).toBe(bySchedule?.['gflops']);
    expect(merged).toMatchObject({ method: 'tome:r=3', images: 5 });
    expect(merged?.['kl']).toBeGreaterThan(0);
    const flops = await reportOf('flops', 'small', '--method', 'tome:r=3');
    expect(merged?.['gflops']).toBe(flops['gflops']);
    expect((flops['blocks'] as { tokensOut: number }[]).map(({ tokensOut }) => tokensOut)).toEqual([14, 11, 8, 5]);
    expect(flops).toMatchObject({ method: 'tome:r=3', schedule: null, atMost: false });
  });

  it('gives a ragged method’s FLOPs as a mean over images, below the most that there can be', async () => {
    const evaluated = await reportOf('eval', 'small', '--data', 'images', '--batch', '2', '--method', 'ats:tokens=12');
    const most = await reportOf('flops', 'small', '--method', 'ats:tokens=12');
    const least = await reportOf('flops', 'small', '--method', 'ats:tokens=3');
    expect(most).toMatchObject({ atMost: true });
    expect(evaluated['gflops']).toBeLessThan(Number(most['gflops']));
    expect(evaluated['gflops']).toBeGreaterThan(Number(least['gflops']));
    const one = await reportOf('eval', 'small', '--data', 'images', '--batch', '5', '--method', 'ats:tokens=12');
    expect(one['gflops']).toBeCloseTo(Number(evaluated['gflops']), 9);
    const table = (await run('flops', 'small', '--method', 'ats')).stdout;
    expect(table).toMatch(/differ per image/);
    expect(table.match(/^ *\d+(?= )/gm)?.map(Number)).toEqual([1, 2, 3, 4]);
  });

  it('is timed beside the plain network', async () => {
    const args = ['bench', 'small', '--method', 'evit:rate=0.5', '--batch', '2', '--rounds', '1'];
    const { method, runs } = await reportOf(...args);
    expect(method).toBe('evit:rate=0.5');
    expect((runs as { flopsRatio: number }[])[0]?.flopsRatio).toBeGreaterThan(1);
  });

  it('is exported with what it does', async () => {
    const report = await reportOf(
      'export',
      'small',
      '--method',
      'pitome:ratio=0.8',
      '--out',
      'out',
      '--dtype',
      'fp32,fp16',
    );
    expect(report).toMatchObject({ method: 'pitome:ratio=0.8' });
    const config = JSON.parse(readFileSync(join(directory, 'out/config.json'), 'utf8')) as Record<string, unknown>;
    expect(config['diffrate']).toMatchObject({ method: 'pitome:ratio=0.8', tokensPerBlock: [14, 12, 10, 9] });
    expect(readFileSync(join(directory, 'out/README.md'), 'utf8')).toMatch(/PiToMe.*\n`pitome:ratio=0.8`/);
    expect(existsSync(join(directory, 'out/schedule.json'))).toBe(false);
  });

  it.each([
    [['flops', 'small', '--method', 'toem'], 2, /no method "toem".*tome/],
    [['eval', 'small', '--data', 'images', '--method', 'tome:q=1'], 2, /no parameter "q": it has r, proportional/],
    [['bench', 'small', '--method', 'tome', '--schedule', 'schedule.json'], 2, /exclude each other/],
    [['export', 'small', '--out', 'x'], 2, /needs --schedule .* or --method/],
    [['flops', 'small', '--method', 'tome:r=9'], 1, /lower r to 8/],
    [['flops', 'caformer_s36', '--method', 'evit'], 1, /class token, which caformer_s36 does not have/],
    [['flops', 'small', '--method', 'diffrate:schedule=absent.json'], 1, /absent\.json cannot be read/],
    [['export', 'small', '--method', 'ats', '--out', 'x'], 1, /ats keeps another number of tokens for each image/],
  ] as const)('answers %j with exit code %d and one sentence', async (args, code, sentence) => {
    const result = await run(...args);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(sentence);
    expect(result.stderr.split('\n').filter((line) => line.startsWith('error: '))).toHaveLength(1);
    expect(result.stderr).not.toMatch(/something went wrong inside|^\s+at /m);
    expect(existsSync(join(directory, 'x'))).toBe(false);
  });
});
