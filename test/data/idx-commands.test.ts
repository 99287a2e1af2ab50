/** The program on IDX files in place of image folders. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildIfStale, runProgram } from '../cli/program.ts';
import { randomWeights, smallConfiguration, writeHuggingFaceFolder } from '../random-network.ts';

const demoImages = resolve('examples/demo-model/images');
const calibration = join(demoImages, 'calibration-images-idx3-ubyte.gz');
const evaluation = join(demoImages, 'evaluation-images-idx3-ubyte.gz');

let folder = '';
beforeAll(async () => {
  buildIfStale();
  folder = await mkdtemp(join(tmpdir(), 'diffrate-idx-'));
  await writeHuggingFaceFolder(join(folder, 'network'), {
    config: { image_size: 28, patch_size: 7 },
    preprocessor: { size: { height: 28, width: 28 } },
    weights: randomWeights({ ...smallConfiguration, inputSize: { height: 28, width: 28 }, patchSize: 7 }),
  });
});
afterAll(() => rm(folder, { recursive: true }));

test('eval takes an IDX file', async () => {
  const { code, stdout, stderr } = await runProgram(['eval', 'network', '--data', evaluation, '--json'], folder);
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ images: 500, agreement: 100, top1: expect.any(Number) });
});

test('compress searches on one IDX file and evaluates on another', async () => {
  const given = { data: calibration, 'eval-data': evaluation, limit: '64', steps: '3', ratio: '0.8', out: 'out' };
  const options = Object.entries(given).flatMap(([name, value]) => [`--${name}`, value]);
  const { code, stdout, stderr } = await runProgram(['compress', 'network', ...options, '--json'], folder);
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ search: { steps: 3 }, evaluation: { after: { images: 64 } } });
});

test('a file that is none is refused in one sentence', async () => {
  const { code, stderr } = await runProgram(['eval', 'network', '--data', 'network/config.json'], folder);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^error: 'network\/config\.json' is not an IDX file [^\n]+\n$/);
});
