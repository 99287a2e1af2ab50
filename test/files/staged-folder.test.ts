/** What is in the files of a folder that is written as a whole. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeFolder } from '../../src/files/staged-folder.ts';

let place = '';
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'diffrate-folder-'));
});
afterEach(() => rm(place, { recursive: true, force: true }));

it('holds texts, and chunks of all sizes in their order', async () => {
  const sizes = [3, 0, 70_000, 5, 7, 65_535, 65_536, 1, 100_000, 9];
  const chunks = sizes.map((size, index) => new Uint8Array(size).fill(index + 1));
  // A view of a larger buffer must not bring the rest of that with it.
  const view = new Uint8Array(40).fill(99).subarray(10, 14);
  await writeFolder(
    join(place, 'model'),
    [
      { path: 'onnx/model.onnx', content: [...chunks, view] },
      { path: 'config.json', content: '{}' },
      { path: 'nothing', content: [] },
    ],
    { foreign: [], isOurs: () => Promise.resolve(true), replaced: [] },
  );
  expect(await readdir(place)).toEqual(['model']);
  const written = await readFile(join(place, 'model', 'onnx', 'model.onnx'));
  expect(written.equals(Buffer.concat([...chunks, view]))).toBe(true);
  expect(await readFile(join(place, 'model', 'config.json'), 'utf8')).toBe('{}');
  expect((await readFile(join(place, 'model', 'nothing'))).length).toBe(0);
});
