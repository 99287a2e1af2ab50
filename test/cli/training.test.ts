/** `diffrate train` and `diffrate finetune` as a user runs them. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { smallConfiguration, writeSmallModelFolder } from '../evaluation/small-network.ts';
import { schemaFaults } from '../report-schema.ts';
import { jsonOf } from './expectations.ts';
import { buildIfStale, runProgram, startProgram } from './program.ts';
import type { ProgramResult } from './program.ts';

const { classes } = smallConfiguration;
let directory = '';
const run = (...args: string[]): Promise<ProgramResult> => runProgram(args, directory);
const path = (...parts: string[]): string => join(directory, ...parts);

const configuration = {
  model: { name: 'tiny', imageSize: 32, patchSize: 8, width: 24, depth: 3, heads: 3, classes },
  recipe: { batchSize: 4, epochs: 1, warmUpEpochs: 0, augmentation: { horizontalFlip: 0.5 }, repeatedAugmentation: 1 },
};
const schedule = { model: 'small', inputSize: 32, pruneKept: [17, 14, 10, 6], mergeKept: [17, 12, 8, 3] };

beforeAll(async () => {
  buildIfStale();
  directory = mkdtempSync(join(tmpdir(), 'diffrate-cli-training-'));
  await writeSmallModelFolder(path('small'));
  await writeRandomImages(
    path('images'),
    12,
    Array.from({ length: 12 }, (_, index) => index % classes),
  );
  await writeRandomImages(path('unlabelled'), 8);
  writeFileSync(path('config.json'), JSON.stringify(configuration));
  writeFileSync(path('broken.json'), JSON.stringify({ model: { ...configuration.model, heads: 5 } }));
  writeFileSync(path('schedule.json'), JSON.stringify(schedule));
  writeFileSync(path('short.json'), JSON.stringify({ ...schedule, pruneKept: [17], mergeKept: [17] }));
  mkdirSync(path('foreign'));
  writeFileSync(path('foreign', 'README.md'), 'not ours');
}, 180_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('diffrate train', () => {
  it('writes a model folder that other commands take', async () => {
    const trained = await run(
      'train',
      '--config',
      'config.json',
      '--data',
      'images',
      '--eval-data',
      'images',
      '--out',
      'trained',
      '--json',
    );
    const report = jsonOf(trained);
    expect(report).toMatchObject({ model: 'tiny', out: 'trained', steps: 3 });
    expect(typeof report['top1']).toBe('number');
    const files = ['config.json', 'model.safetensors', 'preprocessor_config.json', 'training.csv'];
    expect(readdirSync(path('trained')).sort()).toEqual(files);
    expect(readFileSync(path('trained', 'training.csv'), 'utf8')).toMatch(/^step,epoch,loss[^]*\n3,1,/);
    expect(readdirSync(directory).filter((name) => name.startsWith('trained'))).toEqual(['trained']);
    const evaluated = await run('eval', 'trained', '--data', 'images', '--json');
    expect(jsonOf(evaluated)).toMatchObject({ images: 12, top1: report['top1'] });
  });

  it('is stopped by Ctrl-C after a step, and resumes to the weights of an unbroken run', async () => {
    const args = ['train', '--config', 'config.json', '--data', 'images', '--epochs', '60', '--seed', '5'];
    const whole = await run(...args, '--out', 'whole');
    expect(whole.code).toBe(0);
    const { child, done } = startProgram([...args, '--out', 'broken'], directory);
    child.stderr?.once('data', () => child.kill('SIGINT'));
    const stopped = await done;
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toMatch(
      /error: The training was stopped after step \d+ of 180; continue it with --resume\./,
    );
    expect(existsSync(path('broken'))).toBe(false);
    const resumed = await run(...args, '--out', 'broken', '--resume');
    expect(resumed.code).toBe(0);
    expect(
      readFileSync(path('broken', 'model.safetensors')).equals(readFileSync(path('whole', 'model.safetensors'))),
    ).toBe(true);
  });

  it.each([
    [['train', '--data', 'images', '--out', 'x'], 2, /needs --config/],
    [['train', '--config', 'config.json', '--data', 'images', '--out', 'x', '--epochs', 'many'], 2, /--epochs/],
    [['train', '--config', 'broken.json', '--data', 'images', '--out', 'x'], 1, /not divisible by "heads" 5/],
    [['train', '--config', 'config.json', '--data', 'unlabelled', '--out', 'x'], 1, /has no labels/],
    [['train', '--config', 'config.json', '--data', 'images', '--out', 'foreign'], 1, /did not write \(README\.md\)/],
    [['train', '--config', 'config.json', '--data', 'images', '--out', 'config.json/x'], 1, /cannot be written/],
    [
      ['train', '--config', 'config.json', '--data', 'images', '--out', 'x', '--schedule', 'short.json'],
      1,
      /short\.json .* 1 blocks/,
    ],
    [['finetune', 'small', '--data', 'images', '--out', 'x'], 2, /needs --schedule/],
    [['finetune', 'small', '--schedule', 'short.json', '--data', 'images', '--out', 'x'], 1, /short\.json .* 1 blocks/],
    [
      'finetune small --schedule schedule.json --data unlabelled --targets labels --out x'.split(' '),
      1,
      /no labels, .*--targets teacher/,
    ],
  ])('%j ends with one sentence', async (args, code, sentence) => {
    const result = await run(...args);
    const errors = result.stderr.split('\n').filter((line) => line.startsWith('error: '));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(sentence);
    expect(errors[0]).toMatch(/[.!?]$/);
    expect(result.stderr).not.toMatch(/^\s+at /m);
    expect(result.code).toBe(code);
    expect(existsSync(path('x'))).toBe(false);
  });
});

describe('diffrate finetune', () => {
  it('needs no labels, and writes the schedule beside the weights', async () => {
    const args = [
      'finetune',
      'small',
      '--schedule',
      'schedule.json',
      '--data',
      'unlabelled',
      '--eval-data',
      'unlabelled',
    ];
    const tuned = await run(...args, '--epochs', '2', '--batch', '4', '--dtype', 'fp16', '--out', 'tuned', '--json');
    const report = jsonOf(tuned);
    expect(report).toMatchObject({ model: 'small', steps: 4, top1: null });
    expect(typeof report['kl']).toBe('number');
    expect(schemaFaults('schedule', JSON.parse(readFileSync(path('tuned', 'schedule.json'), 'utf8')))).toEqual([]);
    const exported = await run('export', 'tuned', '--schedule', 'tuned/schedule.json', '--out', 'exported');
    expect(exported.stderr).not.toContain('was learnt for');
    expect(exported.code).toBe(0);
    expect(existsSync(path('exported', 'onnx', 'model.onnx'))).toBe(true);
  });
});
