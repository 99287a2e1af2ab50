/** Methods that learn, as a user trains and uses them. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { writeSmallModelFolder } from '../evaluation/small-network.ts';
import { jsonOf } from './expectations.ts';
import { buildIfStale, runProgram } from './program.ts';
import type { ProgramResult } from './program.ts';

let directory = '';
const run = (...args: string[]): Promise<ProgramResult> => runProgram(args, directory);

const reportOf = async (...args: string[]): Promise<Record<string, unknown>> => jsonOf(await run(...args, '--json'));

const finetune = ['finetune', 'small', '--data', 'images', '--epochs', '1', '--batch', '4'];

beforeAll(async () => {
  buildIfStale();
  directory = mkdtempSync(join(tmpdir(), 'diffrate-learned-'));
  await writeSmallModelFolder(join(directory, 'small'));
  await writeRandomImages(join(directory, 'images'), 8);
}, 180_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('a method that learns', () => {
  it('is trained, and then used by every command without being named', async () => {
    const text = 'dynamicvit:keep=0.5,blocks=1/2';
    const trained = await reportOf(...finetune, '--eval-data', 'images', '--method', text, '--out', 'trained');
    expect(trained).toMatchObject({ model: 'small', method: text, schedule: null, steps: 2 });
    const config = JSON.parse(readFileSync(join(directory, 'trained/config.json'), 'utf8')) as Record<string, unknown>;
    expect(config['diffrate']).toMatchObject({ trainedMethod: text });
    const header = readFileSync(join(directory, 'trained/model.safetensors')).subarray(0, 20_000).toString('latin1');
    expect(header).toContain('"reduction.dynamicvit.1.output.weight"');

    const evaluated = await reportOf('eval', 'trained', '--data', 'images');
    const named = await reportOf('eval', 'trained', '--data', 'images', '--method', 'dynamicvit');
    expect(evaluated).toMatchObject({ method: text, schedule: null });
    expect(named['kl']).toBe(evaluated['kl']);
    // Against the network that training started from, as the training said.
    const compared = await reportOf('eval', 'trained', '--data', 'images', '--reference', 'small');
    expect(compared['kl']).toBeCloseTo(Number(trained['kl']), 5);
    const flops = await reportOf('flops', 'trained');
    expect(flops).toMatchObject({ method: text, gflops: evaluated['gflops'] });
    expect((flops['blocks'] as { tokensOut: number }[]).map(({ tokensOut }) => tokensOut)).toEqual([17, 9, 5, 5]);
    const shown = await reportOf('show', 'trained', 'images', '--limit', '2', '--out', 'pictures');
    expect(shown).toMatchObject({ method: text, schedule: null });
    const [picture] = shown['images'] as { blocks: { tokens: number }[] }[];
    expect(picture?.blocks.map(({ tokens }) => tokens)).toEqual([17, 9, 5, 5]);
    const bench = await reportOf('bench', 'trained', '--batch', '2', '--rounds', '1');
    expect(bench).toMatchObject({ method: text });
    const exported = await reportOf('export', 'trained', '--out', 'exported', '--dtype', 'fp32,fp16');
    expect(exported).toMatchObject({ method: text, gflops: evaluated['gflops'] });
    expect(readFileSync(join(directory, 'exported/README.md'), 'utf8')).toMatch(/was trained for DynamicViT/);
    expect(existsSync(join(directory, 'exported/onnx/model_fp16.onnx'))).toBe(true);
  });

  it('that keeps another number of tokens for each image is evaluated, and not exported', async () => {
    await reportOf(...finetune, '--method', 'ltmp:target=0.6', '--out', 'thresholds');
    const evaluated = await reportOf('eval', 'thresholds', '--data', 'images');
    const most = await reportOf('flops', 'thresholds');
    expect(most).toMatchObject({ method: 'ltmp:target=0.6', atMost: true });
    expect(evaluated['gflops']).toBeLessThanOrEqual(Number(most['gflops']));
    const shown = await reportOf('show', 'thresholds', 'images', '--out', 'differing');
    expect(shown).toMatchObject({ method: 'ltmp:target=0.6' });
    const refused = await run('export', 'thresholds', '--out', 'x');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/ltmp:target=0.6 keeps another number of tokens for each image/);
  });

  it.each([
    [
      ['eval', 'small', '--data', 'images', '--method', 'dynamicvit'],
      1,
      /dynamicvit needs predictors .* train it for this network first/,
    ],
    [['export', 'small', '--method', 'dynamicvit', '--out', 'x'], 1, /dynamicvit needs predictors/],
    [[...finetune, '--method', 'tome:r=2', '--out', 'x'], 1, /tome:r=2 has nothing to train/],
    [[...finetune, '--method', 'dynamicvit:keep=2', '--out', 'x'], 2, /keep must be a number from 0.01 to 1/],
    [['eval', 'small', '--data', 'images', '--reference', 'vit_demo_patch2_28'], 1, /reads other images than small/],
    [[...finetune, '--out', 'x'], 2, /needs --schedule .* or --method/],
    [
      ['compare', 'small', '--data', 'images', '--methods', 'dynamicvit', '--budgets', '0.6', '--out', 'x'],
      2,
      /must not name dynamicvit, which is trained for one budget/,
    ],
  ] as const)('answers %j with exit code %d and one sentence', async (args, code, sentence) => {
    const result = await run(...args);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(sentence);
    expect(result.stderr.split('\n').filter((line) => line.startsWith('error: '))).toHaveLength(1);
    expect(result.stderr).not.toMatch(/something went wrong inside|^\s+at /m);
    expect(existsSync(join(directory, 'x'))).toBe(false);
  });
});
