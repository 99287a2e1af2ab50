/** What is in the files of a folder that is written as a whole. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkTarget, writeFolder } from '../../src/files/staged-folder.ts';

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

const ours = { foreign: [], isOurs: () => Promise.resolve(true), replaced: [] };
const files = [{ path: 'config.json', content: '{}' }];

it('sweeps up what killed processes left, and nothing else', async () => {
  const gone = Number(execFileSync(process.execPath, ['--print', 'process.pid'], { encoding: 'utf8' }));
  const others = [`.model.${process.ppid}.partial`, '.model.notes.partial', `.other.${gone}.partial`];
  for (const name of [`.model.${gone}.partial`, ...others]) await mkdir(join(place, name));
  await writeFolder(join(place, 'model'), files, ours);
  expect((await readdir(place)).sort()).toEqual([...others, 'model'].sort());
  // Into a folder that is there, attempts are inside it.
  await mkdir(join(place, 'model', `.${gone}.partial`));
  await writeFolder(join(place, 'model'), files, ours);
  expect(await readdir(join(place, 'model'))).toEqual(['config.json']);
});

it('is refused where a link leads nowhere', async () => {
  await symlink(join(place, 'missing'), join(place, 'link'));
  await expect(checkTarget(join(place, 'link'), ours)).rejects.toThrow('is a link to a place that is not there');
});
