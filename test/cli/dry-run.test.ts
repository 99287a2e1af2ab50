/** `--dry-run`: reads all, checks what the command checks before it runs, and writes nothing. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { imageName, writeRandomImages } from '../evaluation/random-images.ts';
import { schemaFaults } from '../report-schema.ts';
import { buildIfStale, runProgram } from './program.ts';
import type { ProgramResult } from './program.ts';

const model = resolve('examples/demo-model');
let directory = '';
const run = (...args: string[]): Promise<ProgramResult> => runProgram(args, directory);

beforeAll(async () => {
  buildIfStale();
  directory = mkdtempSync(join(tmpdir(), 'diffrate-dry-'));
  await writeRandomImages(join(directory, 'made'), 4);
  for (const [index, name] of ['Bag', 'ankle_boot', 'Coat', 'other'].entries()) {
    mkdirSync(join(directory, 'data', name), { recursive: true });
    cpSync(join(directory, 'made', imageName(index)), join(directory, 'data', name, 'a.png'));
  }
  writeFileSync(join(directory, 'data', 'Bag', 'broken.png'), 'no image');
  writeFileSync(join(directory, 'data', 'Bag', 'b.heic'), 'no image');
}, 120_000);
afterAll(() => rmSync(directory, { recursive: true }));

test('a search that would begin', async () => {
  const given = '--data data --ratio 0.6 --out new/schedule.json --dry-run --json';
  const { code, stdout, stderr } = await run('search', model, ...given.split(' '));
  expect(code).toBe(0);
  const report: unknown = JSON.parse(stdout);
  expect(schemaFaults('dry-run', report)).toEqual([]);
  expect(report).toMatchObject({
    dryRun: true,
    dataset: { images: 5, labels: 4, labelsFrom: 'class names', skipped: [{ file: 'Bag/broken.png' }] },
    evaluationDataset: null,
    blocks: 8,
    tokens: 197,
    answers: { kind: 'classes', size: 10, named: 10 },
    objective: 'classDivergence',
    cost: { unit: 'GFLOPs', target: expect.closeTo(0.0705, 3) },
  });
  expect(stderr).toMatch(/^warning: .*1 \.heic/m);
  expect(stderr).toMatch(/^warning: .*\('other'\): images in these have no label\.$/m);
  expect(stderr).toMatch(/^data: 5 images of .*, 4 labels, from sub-folders .*; 1 has none$/m);
  expect(readdirSync(directory).sort()).toEqual(['data', 'made']);
}, 60_000);

test('a compression that would end with a sentence', async () => {
  const { code, stdout, stderr } = await run('compress', model, '--data', 'data', '--gflops', '0.01', '--dry-run');
  expect(code).toBe(1);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^error: A cost of 0\.01 GFLOPs is out of reach .*choose a target from/m);
  expect(readdirSync(directory).sort()).toEqual(['data', 'made']);
}, 60_000);
