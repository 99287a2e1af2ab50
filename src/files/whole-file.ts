/**
 * A file that appears whole or not at all: written beside its place, then renamed. What was there
 * before stays until then.
 */
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Writes a file, in a folder that is made where it is missing. What `write` or the file system
 * throw is thrown, and nothing is left beside; nor is it where the process ends meanwhile by
 * itself.
 * @param write writes the content to the path that it is given.
 */
export async function writeWholeFile(path: string, write: (beside: string) => Promise<void>): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${randomUUID()}.partial`);
  const remove = (): void => rmSync(beside, { force: true });
  process.once('exit', remove);
  let created: string | undefined;
  try {
    created = await mkdir(dirname(path), { recursive: true });
    await write(beside);
    await rename(beside, path);
  } catch (error) {
    // The outermost of the folders that had to be made: nothing but this attempt is in it.
    await rm(created ?? beside, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  } finally {
    process.off('exit', remove);
  }
}
