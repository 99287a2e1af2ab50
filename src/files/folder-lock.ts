/**
 * One writer at a time: a file beside a folder, or beside another file, that says which process
 * works on it. It is created with `O_EXCL`, which only one process can, and removed in the end.
 * What was left behind by a process that is gone does not count.
 */
import { randomUUID } from 'node:crypto';
import { lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import * as v from 'valibot';
import { DiffrateError, messageOf } from '../errors.ts';
import { makeFolders, removeEmpty } from './new-folders.ts';
import { isAlive, ownProcess } from './running-process.ts';

/** Who holds a lock. */
const ownerSchema = v.object({
  /** Process id. */
  pid: v.number(),
  host: v.string(),
  /** When the process began, in s: another one may have got its id since. */
  began: v.number(),
  /** Of this lock alone. */
  id: v.string(),
});
type Owner = v.InferOutput<typeof ownerSchema>;

/** A file that somebody creates at this moment is empty for less than this, in ms. */
const creationMilliseconds = 200;

/** Locks of processes that are gone may lie there one after the other, but not without end. */
const attempts = 5;

/**
 * Does work while nobody else does such work on the same folder (or file), which need not exist
 * yet; the folder that it is in must.
 * @param lockFile in another place than beside it.
 * @throws {DiffrateError} where another process, or this one, is at it, or the lock file cannot be
 *   written.
 */
export async function withFolderLock<Result>(
  directory: string,
  work: () => Promise<Result>,
  lockFile?: string,
): Promise<Result> {
  const path = lockFile === undefined ? await lockPath(directory) : resolve(lockFile);
  const owner = await acquire(path, directory);
  const end = (): void => release(path, owner);
  process.once('exit', end);
  try {
    return await work();
  } finally {
    process.off('exit', end);
    end();
  }
}

/**
 * The same where the folder that it is in may have to be made; where nothing came to be in it, it
 * is gone afterwards.
 * @throws {DiffrateError} as `withFolderLock`, and where that folder cannot be made.
 */
export async function withFolderLockIn<Result>(directory: string, work: () => Promise<Result>): Promise<Result> {
  let made: string[];
  try {
    made = await makeFolders(dirname(resolve(directory)));
  } catch (error) {
    throw new DiffrateError(
      `The folder ${directory} cannot be written (${messageOf(error)}): choose a folder that you may write to.`,
    );
  }
  try {
    return await withFolderLock(directory, work);
  } finally {
    await removeEmpty(made);
  }
}

/**
 * Keeps others from a folder until this process ends: for a program that does one piece of work.
 * @throws {DiffrateError} as `withFolderLock`.
 */
export async function lockFolderUntilExit(directory: string): Promise<void> {
  const path = await lockPath(directory);
  const owner = await acquire(path, directory);
  process.once('exit', () => release(path, owner));
}

/** Somebody may have taken the file away by hand, and another process made its own. */
function release(path: string, owner: Owner): void {
  if (ownerIn(path)?.id === owner.id) rmSync(path, { force: true });
}

/** The same file for every name of the folder. */
async function lockPath(directory: string): Promise<string> {
  const path = resolve(directory);
  const real = await realpath(path).catch(async () =>
    join(await realpath(dirname(path)).catch(() => dirname(path)), basename(path)),
  );
  return `${real}.lock`;
}

async function acquire(path: string, directory: string): Promise<Owner> {
  const own: Owner = { ...ownProcess(), id: randomUUID() };
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (create(path, own, directory)) return own;
    const other = await settledOwner(path);
    if (other !== undefined && isAlive(other, own)) throw new DiffrateError(takenSentence(other, own, path, directory));
    if (other === undefined) requireOwn(path, directory);
    removeStale(path, other);
  }
  throw new DiffrateError(`Others begin to write ${directory} again and again: write elsewhere.`);
}

/** Whether the file could be created: `false` where there is one. */
function create(path: string, own: Owner, directory: string): boolean {
  try {
    writeFileSync(path, JSON.stringify(own), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new DiffrateError(
      `The file ${path}, which shows others that ${directory} is being written, cannot be written (${messageOf(error)}): choose a folder that you may write to.`,
    );
  }
}

/**
 * A file of that name may be somebody else's (`yarn.lock`), and is left alone. An empty one is what
 * a process left that was killed before it could write.
 * @throws {DiffrateError} where it is not ours
 */
function requireOwn(path: string, directory: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || (found.isFile() && found.size === 0) || ownerIn(path) !== undefined) return;
  throw new DiffrateError(
    `${path} was not written by diffrate, which needs that name while it writes ${directory}: write elsewhere.`,
  );
}

/** Who holds the lock, given the time to write it; `undefined` where nobody says so. */
async function settledOwner(path: string): Promise<Owner | undefined> {
  const found = ownerIn(path);
  if (found !== undefined) return found;
  await wait(creationMilliseconds);
  return ownerIn(path);
}

function ownerIn(path: string): Owner | undefined {
  try {
    const parsed = v.safeParse(ownerSchema, JSON.parse(readFileSync(path, 'utf8')));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

function takenSentence(other: Owner, own: Owner, path: string, directory: string): string {
  if (other.host === own.host && other.pid === own.pid)
    return `This process (${own.pid}) is already writing ${directory}: wait for it, or write elsewhere.`;
  const where = other.host === own.host ? '' : ` on ${other.host}`;
  return (
    `Process ${other.pid}${where} is already writing ${directory}: wait for it, write elsewhere, ` +
    `or remove ${path} where it does not run any more.`
  );
}

/**
 * Takes a lock away whose owner is gone. It is moved first: where another process has taken it away
 * and made its own meanwhile, that is put back.
 */
function removeStale(path: string, seen: Owner | undefined): void {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
    if (ownerIn(aside)?.id === seen?.id) rmSync(aside, { force: true });
    else renameSync(aside, path);
  } catch {
    // Gone already: the next attempt shows who has it.
  }
}
