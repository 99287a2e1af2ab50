/**
 * Writes a folder as a whole: first beside its place, then renamed. A new folder appears complete or not at all; in one that
 * diffrate wrote before, each file is replaced by a rename and files of other kinds (reports, checkpoints) stay.
 */
import { rmSync } from 'node:fs';
import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DiffrateError, messageOf } from '../errors.ts';
import { joinChunks } from '../onnx/write.ts';

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
}

/** Chunks below this many bytes are joined before they are written. */
const smallChunk = 2 ** 16;

/**
 * Writes the files of a folder.
 * @throws {DiffrateError} where the folder holds something that is not ours, or anything cannot be written; what was there is
 * then unchanged and nothing is left beside it.
 */
export async function writeFolder(
  directory: string,
  files: readonly FolderFile[],
  kind: FolderKind,
  write: FileWriter = writeChunks,
): Promise<void> {
  const target = resolve(directory);
  const exists = await checkTarget(directory, kind);
  const staging = join(dirname(target), `.${basename(target)}.${process.pid}.partial`);
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
    if (exists) await moveInto(target, staging, files, kind);
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
      await file.writeFile(joinChunks(small));
      small = [];
      await file.writeFile(chunk);
    }
    await file.writeFile(joinChunks(small));
  } finally {
    await file.close();
  }
}

/**
 * Whether a folder is there already.
 * @throws {DiffrateError} where it holds something that is not ours to replace.
 */
export async function checkTarget(directory: string, kind: FolderKind): Promise<boolean> {
  const target = resolve(directory);
  const information = await stat(target).catch(() => undefined);
  if (information === undefined) return false;
  if (!information.isDirectory()) {
    throw new DiffrateError(`${directory} is a file where a folder is to be written: choose another name.`);
  }
  const [found] = (await readdir(target)).filter((name) => kind.foreign.includes(name));
  if (found === undefined || (await kind.isOurs(target))) return true;
  throw new DiffrateError(
    `The folder ${directory} holds something that diffrate did not write (${found}): choose a new folder, or empty this one.`,
  );
}

async function moveInto(
  target: string,
  staging: string,
  files: readonly FolderFile[],
  kind: FolderKind,
): Promise<void> {
  for (const { path } of files) {
    await mkdir(dirname(join(target, path)), { recursive: true });
    await rename(join(staging, path), join(target, path));
  }
  const written = new Set(files.map(({ path }) => path));
  for (const path of kind.replaced) {
    if (!written.has(path)) await rm(join(target, path), { force: true });
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
