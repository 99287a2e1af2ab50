/**
 * A file that appears whole or not at all: written beside its place, then renamed. What was there
 * before stays until then. A link stays one, and the file that it leads to is written.
 */
import { rmSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { makeFolders, removeEmpty } from './new-folders.ts';
import { sweepTemporaries, temporaryPlace } from './temporary-place.ts';
import { writtenPlace } from './written-place.ts';

/**
 * Writes a file, in a folder that is made where it is missing. What `write` or the file system
 * throw is thrown, and nothing is left beside; nor is it where the process ends meanwhile by
 * itself.
 * @param write writes the content to the path that it is given.
 */
export async function writeWholeFile(path: string, write: (beside: string) => Promise<void>): Promise<void> {
  const place = await writtenPlace(path);
  await sweepTemporaries(dirname(place), basename(place));
  const beside = temporaryPlace(dirname(place), basename(place));
  const remove = (): void => rmSync(beside, { force: true });
  process.once('exit', remove);
  let made: string[] = [];
  try {
    made = await makeFolders(dirname(place));
    await write(beside);
    await rename(beside, place);
  } catch (error) {
    await rm(beside, { recursive: true, force: true }).catch(() => undefined);
    await removeEmpty(made);
    throw error;
  } finally {
    process.off('exit', remove);
  }
}
