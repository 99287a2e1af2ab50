/** One writer of a folder at a time, in one process and in several, and after one that is gone. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { exportModel } from '../../src/exporting/export-model.ts';
import { withFolderLock, withFolderLockIn } from '../../src/files/folder-lock.ts';
import { randomModel } from '../random-network.ts';

let root = '';
let folder = '';
let lock = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'diffrate-lock-'));
  folder = join(root, 'out');
  lock = join(root, 'out.lock');
});
afterEach(() => rmSync(root, { recursive: true }));

const done = (): Promise<string> => Promise.resolve('done');

/** Writes the lock of some process. */
function leave(owner: { readonly pid: number; readonly host?: string; readonly began?: number }): void {
  writeFileSync(lock, JSON.stringify({ host: hostname(), began: 0, id: 'another', ...owner }));
}

describe('withFolderLock', () => {
  it('lets one work at a time, and the next one after it', async () => {
    const inner = await withFolderLock(folder, async () => {
      expect(JSON.parse(readFileSync(lock, 'utf8'))).toMatchObject({ pid: process.pid, host: hostname() });
      return withFolderLock(folder, done).catch((error: unknown) => error);
    });
    expect(inner).toBeInstanceOf(DiffrateError);
    expect((inner as Error).message).toBe(
      `This process (${process.pid}) is already writing ${folder}: wait for it, or write elsewhere.`,
    );
    expect(existsSync(lock)).toBe(false);
    expect(await withFolderLock(folder, done)).toBe('done');
    expect(readdirSync(root)).toEqual([]);
  });

  it('keeps an export out, and makes the folder that it is in only for as long as it is needed', async () => {
    const deep = join(root, 'new', 'deep', 'out');
    await withFolderLockIn(deep, async () => {
      const exporting = exportModel({ model: randomModel(), directory: deep });
      await expect(exporting).rejects.toThrow(`This process (${process.pid}) is already writing ${deep}`);
    });
    expect(readdirSync(root)).toEqual([]);
  });

  it('lets go where the work fails', async () => {
    await expect(withFolderLock(folder, () => Promise.reject(new Error('on purpose')))).rejects.toThrow('on purpose');
    expect(readdirSync(root)).toEqual([]);
  });

  it('knows a folder by all its names', async () => {
    mkdirSync(folder);
    symlinkSync(folder, join(root, 'link'));
    await withFolderLock(folder, async () => {
      for (const name of [join(root, 'link'), `${folder}/`, join(root, 'link', '..', 'out')])
        await expect(withFolderLock(name, done)).rejects.toThrow('is already writing');
      expect(await withFolderLock(join(root, 'other'), done)).toBe('done');
    });
  });

  it('names another process that is still there, on this host or on another', async () => {
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)']);
    try {
      leave({ pid: child.pid ?? 0 });
      await expect(withFolderLock(folder, done)).rejects.toThrow(
        `Process ${child.pid} is already writing ${folder}: wait for it, write elsewhere, or remove ${lock}`,
      );
      leave({ pid: 1, host: 'elsewhere' });
      await expect(withFolderLock(folder, done)).rejects.toThrow('Process 1 on elsewhere is already writing');
    } finally {
      child.kill();
      await once(child, 'exit');
    }
    expect(JSON.parse(readFileSync(lock, 'utf8'))).toMatchObject({ host: 'elsewhere' });
  });

  it('does not mind what a process left that is gone, nor an earlier one of the same id', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    for (const pid of [child.pid ?? 0, process.pid]) {
      leave({ pid });
      expect(await withFolderLock(folder, done)).toBe('done');
      expect(readdirSync(root)).toEqual([]);
    }
    writeFileSync(lock, '');
    expect(await withFolderLock(folder, done)).toBe('done');
  });

  it.each(['# yarn lockfile v1\n', '{"name":"x","lockfileVersion":3}'])(
    'leaves a file alone that is not its own: %j',
    async (text) => {
      writeFileSync(lock, text);
      await expect(withFolderLock(folder, done)).rejects.toThrow(
        `${lock} was not written by diffrate, which needs that name while it writes ${folder}: write elsewhere.`,
      );
      expect(readFileSync(lock, 'utf8')).toBe(text);
      rmSync(lock);
      mkdirSync(lock);
      await expect(withFolderLock(folder, done)).rejects.toThrow('was not written by diffrate');
      expect(readdirSync(root)).toEqual(['out.lock']);
    },
  );

  it('does not mind the empty file of a process that was killed at once', async () => {
    writeFileSync(lock, '');
    expect(await withFolderLock(folder, done)).toBe('done');
    expect(readdirSync(root)).toEqual([]);
  });

  it('lets one of many have it that find a stale one', async () => {
    writeFileSync(lock, '');
    let started = 0;
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, () =>
        withFolderLock(folder, async () => {
          started++;
          await new Promise((resolved) => setTimeout(resolved, 300));
        }),
      ),
    );
    expect(started).toBe(1);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(readdirSync(root)).toEqual([]);
  });

  it('leaves nothing behind where the process exits meanwhile', async () => {
    const module = resolve('dist/files/folder-lock.js');
    const script = `
      import { withFolderLock } from ${JSON.stringify(module)};
      await withFolderLock(${JSON.stringify(folder)}, async () => process.exit(3));`;
    const error = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]).catch(
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({ code: 3 });
    expect(readdirSync(root)).toEqual([]);
  });

  it('says what is wrong where no file can be beside the folder', async () => {
    writeFileSync(join(root, 'file'), '');
    await expect(withFolderLock(join(root, 'file', 'out'), done)).rejects.toThrow(
      /^The file .*out\.lock, which shows others .*: choose a folder that you may write to\.$/,
    );
  });
});
