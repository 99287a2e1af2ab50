/** Files that appear whole or not at all, also where the process is stopped while it writes. */
import { execFile, execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepareOutputFile } from '../../src/files/output-file.ts';
import { writeFolder } from '../../src/files/staged-folder.ts';
import type { FolderKind } from '../../src/files/staged-folder.ts';
import { writeWholeFile } from '../../src/files/whole-file.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'diffrate-files-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const failing = async (path: string): Promise<void> => {
  await writeFile(path, 'half of');
  throw new Error('no space left');
};

describe('writeWholeFile', () => {
  it('makes the folder, and replaces an older file', async () => {
    const path = join(root, 'new', 'file.txt');
    for (const content of ['one', 'two']) {
      await writeWholeFile(path, (beside) => writeFile(beside, content));
      expect(readFileSync(path, 'utf8')).toBe(content);
    }
    expect(readdirSync(join(root, 'new'))).toEqual(['file.txt']);
  });

  it('leaves an older file, and nothing else, where it fails', async () => {
    const path = join(root, 'file.txt');
    writeFileSync(path, 'old');
    await expect(writeWholeFile(path, failing)).rejects.toThrow('no space left');
    await expect(writeWholeFile(join(root, 'new', 'deep', 'file.txt'), failing)).rejects.toThrow('no space left');
    expect(readdirSync(root)).toEqual(['file.txt']);
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  it('writes through links, also where the file is missing, and keeps them', async () => {
    mkdirSync(join(root, 'there'));
    symlinkSync(join('there', 'file.txt'), join(root, 'link.txt'));
    symlinkSync('link.txt', join(root, 'second.txt'));
    for (const [name, content] of [
      ['link.txt', 'one'],
      ['second.txt', 'two'],
    ] as const) {
      await prepareOutputFile(join(root, name));
      await writeWholeFile(join(root, name), (beside) => writeFile(beside, content));
      expect(readFileSync(join(root, 'there', 'file.txt'), 'utf8')).toBe(content);
      expect(lstatSync(join(root, name)).isSymbolicLink()).toBe(true);
    }
    expect(readdirSync(join(root, 'there'))).toEqual(['file.txt']);
    symlinkSync('round', join(root, 'round'));
    await expect(prepareOutputFile(join(root, 'round'))).rejects.toThrow(/cannot be written \(.*choose another name/);
  });

  it('replaces no pipe, no device and no link to one, which is said before work begins', async () => {
    const pipe = join(root, 'pipe');
    execFileSync('mkfifo', [pipe]);
    symlinkSync('pipe', join(root, 'link'));
    for (const path of [pipe, join(root, 'link'), '/dev/null']) {
      await expect(prepareOutputFile(path)).rejects.toThrow(
        /cannot be written \(there is a device, a pipe or a socket/,
      );
      await expect(writeWholeFile(path, (beside) => writeFile(beside, 'text'))).rejects.toThrow(/no regular file/);
    }
    expect(statSync(pipe).isFIFO()).toBe(true);
    expect(readdirSync(root).toSorted()).toEqual(['link', 'pipe']);
  });

  it('leaves nothing where the process ends while it writes', async () => {
    const script = `
      import { writeFileSync } from 'node:fs';
      import { writeWholeFile } from ${JSON.stringify(resolve('src/files/whole-file.ts'))};
      await writeWholeFile(${JSON.stringify(join(root, 'file.txt'))}, async (beside) => {
        writeFileSync(beside, 'half of');
        process.exit(7);
      });`;
    const run = promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    await expect(run).rejects.toMatchObject({ code: 7 });
    expect(readdirSync(root)).toEqual([]);
  });
});

describe('writeFolder into a folder that is there', () => {
  const kind: FolderKind = { foreign: [], isOurs: () => Promise.resolve(true), replaced: ['stale.txt'] };

  it('writes inside it, since what is beside it may be another disk', async () => {
    const target = join(root, 'out');
    mkdirSync(target);
    writeFileSync(join(target, 'stale.txt'), 'old');
    writeFileSync(join(target, 'mine.txt'), 'mine');
    const places: string[] = [];
    await writeFolder(target, [{ path: 'sub/a.txt', content: 'a' }], kind, async (path, content) => {
      places.push(path);
      await writeFile(path, content as string);
    });
    expect(places.every((path) => path.startsWith(join(target, '.')))).toBe(true);
    expect(readdirSync(target).sort()).toEqual(['mine.txt', 'sub']);
    expect(readdirSync(root)).toEqual(['out']);
  });

  it('takes nothing away that may be somebody else’s', async () => {
    const target = join(root, 'out');
    mkdirSync(target);
    writeFileSync(join(target, 'stale.txt'), 'mine');
    await writeFolder(target, [{ path: 'a.txt', content: 'a' }], { ...kind, isOurs: () => Promise.resolve(false) });
    expect(readdirSync(target).sort()).toEqual(['a.txt', 'stale.txt']);
  });

  it('puts everything back where a file cannot be replaced', async () => {
    const target = join(root, 'out');
    mkdirSync(join(target, 'b.txt', 'inside'), { recursive: true });
    writeFileSync(join(target, 'a.txt'), 'old');
    writeFileSync(join(target, 'stale.txt'), 'stale');
    const files = ['a.txt', 'new.txt', 'b.txt'].map((path) => ({ path, content: 'new' }));
    await expect(writeFolder(target, files, kind)).rejects.toThrow(/cannot be written \(b\.txt is a folder/);
    expect(readdirSync(target).sort()).toEqual(['a.txt', 'b.txt', 'stale.txt']);
    expect(readFileSync(join(target, 'a.txt'), 'utf8')).toBe('old');
    expect(existsSync(join(target, 'b.txt', 'inside'))).toBe(true);
  });
});
