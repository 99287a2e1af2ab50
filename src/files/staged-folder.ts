/**
 * Writes a folder as a whole. A new folder is written beside its place and renamed, so it appears
 * complete or not at all. Into one that is there already files are moved one by one, and moved back
 * where one of them cannot be; files of other kinds stay.
 */
import { constants, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { access, lstat, mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DiffrateError, messageOf } from '../errors.ts';
import { isRunning } from './running-process.ts';

/** Content of a file: text, or bytes in chunks that are written one after the other. */
export type FileContent = string | readonly Uint8Array[];

/** A file of the folder, by its path in it (with `/`). */
export interface FolderFile {
  readonly path: string;
  readonly content: FileContent;
}

/** Writes one file; tests put a failing one in its place. */
export type FileWriter = (path: string, content: FileContent) => Promise<void>;

/** What makes a folder one of ours, and what a new version of it must not leave behind. */
export interface FolderKind {
  /** Top-level names that show another program's folder, unless `isOurs`. */
  readonly foreign: readonly string[];
  /** Whether the folder was written by us. */
  readonly isOurs: (folder: string) => Promise<boolean>;
  /** Paths that belong to an earlier version: removed where the new one does not have them. */
  readonly replaced: readonly string[];
  /** What a folder of ours may hold that must not be lost: the folder is refused then. */
  readonly kept?: readonly { readonly path: string; readonly is: string }[];
}

/** Where files that are replaced lie until all is in its place. */
const replacedName = '.replaced';

/** Chunks below this many bytes are joined before they are written. */
const smallChunk = 2 ** 16;

/**
 * Writes the files of a folder.
 * @throws {DiffrateError} where the folder holds something that is not ours, or anything cannot be
 *   written; what was there is then unchanged and nothing is left in it or beside it.
 */
export async function writeFolder(
  directory: string,
  files: readonly FolderFile[],
  kind: FolderKind,
  write: FileWriter = writeChunks,
): Promise<void> {
  const target = resolve(directory);
  const exists = await checkTarget(directory, kind);
  // A folder that is there may be a place of its own, to which nothing beside it can be renamed.
  const staging = exists
    ? join(target, `.${process.pid}.partial`)
    : join(dirname(target), `.${basename(target)}.${process.pid}.partial`);
  await sweep(dirname(staging), exists ? '' : basename(target));
  const written = new Set(files.map(({ path }) => path));
  // Whoever else wrote the folder may have files of these names.
  const stale = exists && (await kind.isOurs(target)) ? kind.replaced.filter((path) => !written.has(path)) : [];
  const remove = (): void => rmSync(staging, { recursive: true, force: true });
  // Where the process is told to stop while it writes.
  process.once('exit', remove);
  let created: string | undefined;
  try {
    created = await mkdir(staging, { recursive: true });
    for (const { path, content } of files) {
      await mkdir(dirname(join(staging, path)), { recursive: true });
      await write(join(staging, path), content);
    }
    if (exists) moveInto(target, staging, [...written], stale);
    else await rename(staging, target);
  } catch (error) {
    // The outermost of the folders that had to be made: nothing but this attempt is in it.
    if (created !== undefined) await rm(created, { recursive: true, force: true }).catch(() => undefined);
    throw new DiffrateError(
      `The folder ${directory} cannot be written (${messageOf(error)}): choose a place that you may write to, with enough room.`,
    );
  } finally {
    process.off('exit', remove);
    await rm(staging, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Removes what attempts left whose process was killed: those of processes that are there stay. */
async function sweep(folder: string, name: string): Promise<void> {
  const [before, after] = [name === '' ? '.' : `.${name}.`, '.partial'];
  for (const entry of await readdir(folder).catch(() => [])) {
    const pid = entry.startsWith(before) && entry.endsWith(after) ? entry.slice(before.length, -after.length) : '';
    if (!/^\d+$/.test(pid) || isRunning(Number(pid))) continue;
    await rm(join(folder, entry), { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Writes chunks through one file handle; small ones are joined, large ones go as they are. */
async function writeChunks(path: string, content: FileContent): Promise<void> {
  const file = await open(path, 'w');
  try {
    if (typeof content === 'string') {
      await file.writeFile(content);
      return;
    }
    let small: Uint8Array[] = [];
    for (const chunk of content) {
      if (chunk.length < smallChunk) {
        small.push(chunk);
        continue;
      }
      await file.writeFile(Buffer.concat(small));
      small = [];
      await file.writeFile(chunk);
    }
    await file.writeFile(Buffer.concat(small));
  } finally {
    await file.close();
  }
}

/**
 * Whether a folder is there already.
 * @throws {DiffrateError} where it holds something that is not ours to replace, or may not be
 *   written to.
 */
export async function checkTarget(directory: string, kind: FolderKind): Promise<boolean> {
  const target = resolve(directory);
  const information = await stat(target).catch(() => undefined);
  if (information === undefined) {
    if ((await lstat(target).catch(() => undefined)) === undefined) return false;
    throw new DiffrateError(`${directory} is a link to a place that is not there: make that, or choose another name.`);
  }
  if (!information.isDirectory()) {
    throw new DiffrateError(`${directory} is a file where a folder is to be written: choose another name.`);
  }
  try {
    await access(target, constants.W_OK);
  } catch (error) {
    throw new DiffrateError(
      `The folder ${directory} cannot be written (${messageOf(error)}): choose one that you may write to.`,
    );
  }
  const [found] = (await readdir(target)).filter((name) => kind.foreign.includes(name));
  for (const { path, is } of kind.kept ?? []) {
    const there = await stat(join(target, path)).catch(() => undefined);
    if (there === undefined || !(await kind.isOurs(target))) continue;
    throw new DiffrateError(`The folder ${directory} holds ${is} (${path}): choose another folder.`);
  }
  if (found === undefined || (await kind.isOurs(target))) return true;
  throw new DiffrateError(
    `The folder ${directory} holds something that diffrate did not write (${found}): choose a new folder, or empty this one.`,
  );
}

/**
 * Moves new files to their places and what they replace out of the way, file by file; all of it
 * back where that fails. In one go, without giving way to signals: a program that is told to stop
 * does so before or after it.
 * @throws what the file system throws; where something could not be moved back, where it is.
 */
function moveInto(target: string, staging: string, written: readonly string[], stale: readonly string[]): void {
  const old = join(staging, replacedName);
  const undo: (() => void)[] = [];
  const move = (from: string, to: string): void => {
    mkdirSync(dirname(to), { recursive: true });
    renameSync(from, to);
    undo.push(() => renameSync(to, from));
  };
  const isFile = (path: string): boolean => {
    const found = statSync(join(target, path), { throwIfNoEntry: false });
    if (found?.isDirectory() === true) throw new Error(`${path} is a folder where a file is to be written`);
    return found !== undefined;
  };
  try {
    for (const path of written) {
      if (isFile(path)) move(join(target, path), join(old, path));
      move(join(staging, path), join(target, path));
    }
    for (const path of stale) {
      const found = statSync(join(target, path), { throwIfNoEntry: false });
      if (found?.isFile() === true) move(join(target, path), join(old, path));
    }
  } catch (error) {
    for (const back of undo.reverse()) back();
    throw error;
  }
}

/** The parsed object of a JSON file, or `undefined` where there is none. */
export async function readJsonIfThere(path: string): Promise<Record<string, unknown> | undefined> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'));
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
