/** What is in the files of a folder that is written as a whole. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { prepareOutputFile } from '../../src/files/output-file.ts';
import { ReversibleMoves } from '../../src/files/reversible-moves.ts';
import { checkTarget, writeFolder } from '../../src/files/staged-folder.ts';
import { replacedName, temporaryPlace } from '../../src/files/temporary-place.ts';
import { writeWholeFile } from '../../src/files/whole-file.ts';

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
  const own = basename(temporaryPlace(place, 'model'));
  const [, , began = '', host = ''] = own.split(/[.-]/).slice(1);
  const nameOf = (pid: number, since: number | string, where = host): string =>
    `.model.${pid}-${since}-${where}.0123abcd.partial`;
  const others = [
    own,
    `.model.${process.ppid}.partial`,
    nameOf(process.ppid, began),
    nameOf(gone, began, '01234567'),
    '.model.notes.partial',
    `.other.${gone}.partial`,
    nameOf(gone, began).replace('abcd', 'beef'),
  ];
  // An earlier process may have had this one's number.
  const left = [`.model.${gone}.partial`, nameOf(gone, began), nameOf(process.pid, 1000)];
  for (const name of [...left, ...others]) await mkdir(join(place, name));
  // The only files of an earlier version are never swept up.
  const replaced = join(place, others.at(-1) ?? '', replacedName);
  await mkdir(replaced);
  await writeFile(join(replaced, 'config.json'), '{}');
  await writeFolder(join(place, 'model'), files, ours);
  expect((await readdir(place)).sort()).toEqual([...others, 'model'].sort());
  // Into a folder that is there, attempts are inside it.
  await mkdir(join(place, 'model', `.${gone}.partial`));
  await mkdir(join(place, nameOf(gone, began)));
  await writeFolder(join(place, 'model'), files, ours);
  expect(await readdir(join(place, 'model'))).toEqual(['config.json']);
  expect((await readdir(place)).sort()).toEqual([...others, 'model'].sort());
  // So are files.
  await writeFile(join(place, `.note.${gone}-${began}-${host}.0123abcd.partial`), 'half of');
  await writeWholeFile(join(place, 'note'), (beside) => writeFile(beside, 'all'));
  expect((await readdir(place)).sort()).toEqual([...others, 'model', 'note'].sort());
});

it('is refused at the root of the file system', async () => {
  await expect(checkTarget('/', ours)).rejects.toThrow('/ is the root of the file system: name a folder in it.');
  await expect(checkTarget('/nowhere/..', ours)).rejects.toThrow('is the root of the file system');
});

it('is refused where a link leads nowhere', async () => {
  await symlink(join(place, 'missing'), join(place, 'link'));
  await expect(checkTarget(join(place, 'link'), ours)).rejects.toThrow('is a link to a place that is not there');
});

it('takes only empty folders away where it fails: others may be at work in them', async () => {
  const first = join(place, 'new', 'out', 'first');
  const fails = async (): Promise<void> => {
    await writeFolder(join(place, 'new', 'out', 'second'), files, ours);
    throw new Error('no space left');
  };
  await expect(writeFolder(first, files, ours, fails)).rejects.toThrow('no space left');
  expect(await readdir(join(place, 'new', 'out'))).toEqual(['second']);
  const failsToo = (): Promise<void> => Promise.reject(new Error('no space left'));
  await expect(writeFolder(join(place, 'other', 'deep'), files, ours, failsToo)).rejects.toThrow('no space left');
  expect(await readdir(place)).toEqual(['new']);
});

it('moves back what it can, and tells where the rest is', async () => {
  for (const name of ['a', 'b']) {
    await mkdir(join(place, name));
    await writeFile(join(place, name, 'file'), name);
  }
  const moves = new ReversibleMoves();
  for (const name of ['a', 'b']) moves.move(join(place, name, 'file'), join(place, 'old', name));
  await rm(join(place, 'a'), { recursive: true });
  expect([...moves.takeBack()]).toEqual([[join(place, 'a', 'file'), join(place, 'old', 'a')]]);
  expect(await readFile(join(place, 'b', 'file'), 'utf8')).toBe('b');
  expect(await readFile(join(place, 'old', 'a'), 'utf8')).toBe('a');
});

it.skipIf(process.platform !== 'linux')('ends with a sentence where no folder can be', async () => {
  await expect(writeFolder('/proc/nowhere/model', files, ours)).rejects.toThrow(
    /\/proc\/nowhere\/model cannot be written/,
  );
  await expect(prepareOutputFile('/proc/nowhere/file')).rejects.toThrow(/\/proc\/nowhere\/file cannot be written/);
});
