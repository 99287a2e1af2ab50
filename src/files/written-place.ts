/**
 * The file that writing a path changes. A link stays a link, and what it leads to is written; a
 * device, a pipe or a socket is no place for a file that is renamed to it.
 */
import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/**
 * Where a file is to be written so that `path` has it: behind links, the last of which may lead to
 * a file that is still missing.
 * @throws what the file system throws, and where something else than a regular file or a folder is
 *   there.
 */
export async function writtenPlace(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined && !found.isFile() && !found.isDirectory())
    throw new Error('there is a device, a pipe or a socket, which is no regular file');
  const isLink = (await lstat(path).catch(() => undefined))?.isSymbolicLink() ?? false;
  if (!isLink) return path;
  return found === undefined ? behindDeadLink(path) : realpath(path);
}

async function behindDeadLink(path: string): Promise<string> {
  // Where the links go in a circle this says so.
  await stat(path).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  });
  return writtenPlace(resolve(await realpath(dirname(path)), await readlink(path)));
}
