/**
 * Folders that are made for something to be written into, and taken away again where nothing was.
 * One by one, since several processes may make and use the same ones, and since Node's recursive
 * `mkdir` does not end in a place where folders cannot be (`/proc`).
 */
import { mkdir, rmdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/**
 * Makes a folder and those that it is in, as far as they are missing.
 * @returns those that were made, innermost first.
 * @throws what the file system throws; what had been made by then is gone again.
 */
export async function makeFolders(path: string): Promise<string[]> {
  const missing: string[] = [];
  for (let folder = resolve(path); !(await isFolder(folder)); folder = dirname(folder)) {
    missing.push(folder);
    if (dirname(folder) === folder) break;
  }
  const made: string[] = [];
  for (const folder of missing.reverse()) {
    try {
      if (await makeFolder(folder)) made.unshift(folder);
    } catch (error) {
      await removeEmpty(made);
      throw error;
    }
  }
  return made;
}

/** Removes those of the folders that are empty: somebody else may have begun to use the others. */
export async function removeEmpty(innermostFirst: readonly string[]): Promise<void> {
  for (const folder of innermostFirst) {
    try {
      await rmdir(folder);
    } catch {
      return;
    }
  }
}

/** Whether there is a folder; what is there and is none is left to `mkdir`, which names it. */
async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** Whether it was made here; `false` where another process was quicker. */
async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' && (await isFolder(path))) return false;
    throw error;
  }
}
