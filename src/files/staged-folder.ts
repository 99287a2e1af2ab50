/**
 * Writes a folder as a whole. A new folder is written beside its place and renamed, so it appears
 * complete or not at all. Into one that is there already files are moved one by one, and moved back
 * where one of them cannot be; files of other kinds stay.
 */
import { constants, rmSync, statSync } from 'node:fs';
import { access, lstat, mkdir, open, readFile, readdir, rename, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { DiffrateError, messageOf } from '../errors.ts';
import { makeFolders, removeEmpty } from './new-folders.ts';
import { ReversibleMoves } from './reversible-moves.ts';
import { replacedName, sweepTemporaries, temporaryPlace } from './temporary-place.ts';

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
  const staging = exists ? temporaryPlace(target, '') : temporaryPlace(dirname(target), basename(target));
  await sweepTemporaries(dirname(target), basename(target));
  if (exists) await sweepTemporaries(target, '');
  const written = new Set(files.map(({ path }) => path));
  // Whoever else wrote the folder may have files of these names.
  const stale = exists && (await kind.isOurs(target)) ? kind.replaced.filter((path) => !written.has(path)) : [];
  const remove = (): void => {
    try {
      rmSync(staging, { recursive: true, force: true });
    } catch {
      // It is no part of the folder; whoever writes that next tries again.
    }
  };
  // Where the process is told to stop while it writes.
  process.once('exit', remove);
  let made: string[] = [];
  let isKept = false;
  try {
    made = await makeFolders(dirname(staging));
    await mkdir(staging);
    for (const { path, content } of files) {
      await mkdir(dirname(join(staging, path)), { recursive: true });
      await write(join(staging, path), content);
    }
    if (exists) moveInto(target, staging, [...written], stale);
    else await rename(staging, target);
  } catch (error) {
    isKept = error instanceof NotMovedBackError;
    if (error instanceof NotMovedBackError) throw new DiffrateError(notMovedBack(directory, error));
    remove();
    await removeEmpty(made);
    throw new DiffrateError(
      `The folder ${directory} cannot be written (${messageOf(error)}): choose a place that you may write to, with enough room.`,
    );
  } finally {
    process.off('exit', remove);
    if (!isKept) remove();
  }
}

/** What is in the way of an earlier version that could not be moved back. */
class NotMovedBackError extends Error {
  /** Where its files are that are not in their places, by path in the folder. */
  readonly places: ReadonlyMap<string, string>;

  constructor(cause: unknown, places: ReadonlyMap<string, string>) {
    super(messageOf(cause), { cause });
    this.places = places;
  }
}

function notMovedBack(directory: string, { message, places }: NotMovedBackError): string {
  const list = [...places].map(([path, place]) => `${path} is now ${place}`).join(', ');
  return `The folder ${directory} cannot be written (${message}), and files that were there could not be moved back: ${list}; move them back by hand.`;
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
  if (dirname(target) === target)
    throw new DiffrateError(`${directory} is the root of the file system: name a folder in it.`);
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
 * back where that fails.
 * @throws what the file system throws; {@link NotMovedBackError} where something of the earlier
 *   version could not be moved back.
 */
function moveInto(target: string, staging: string, written: readonly string[], stale: readonly string[]): void {
  const old = join(staging, replacedName);
  const moves = new ReversibleMoves();
  const isFile = (path: string): boolean => {
    const found = statSync(join(target, path), { throwIfNoEntry: false });
    if (found?.isDirectory() === true) throw new Error(`${path} is a folder where a file is to be written`);
    return found !== undefined;
  };
  try {
    for (const path of written) {
      if (isFile(path)) moves.move(join(target, path), join(old, path));
      moves.move(join(staging, path), join(target, path));
    }
    for (const path of stale) {
      const found = statSync(join(target, path), { throwIfNoEntry: false });
      if (found?.isFile() === true) moves.move(join(target, path), join(old, path));
    }
  } catch (error) {
    // Of the new files it does not matter where they are.
    const stuck = [...moves.takeBack()].filter(([, to]) => to.startsWith(old));
    if (stuck.length === 0) throw error;
    throw new NotMovedBackError(error, new Map(stuck.map(([from, to]) => [relative(target, from), to])));
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
