/** Before long work: whether a file could be written there at all. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DiffrateError, messageOf } from '../errors.ts';
import { makeFolders } from './new-folders.ts';
import { writtenPlace } from './written-place.ts';

/**
 * Makes the folder that a file is to be written into.
 * @throws DiffrateError if that cannot be, or `path` is a folder itself, a device or a pipe
 */
export async function prepareOutputFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory())
    throw new DiffrateError(`${path} is a folder where a file is to be written: name a file in it.`);
  const refused = (error: unknown, what: string): DiffrateError =>
    new DiffrateError(`${path} cannot be written (${messageOf(error)}): choose ${what}.`);
  const place = await writtenPlace(path).catch((error: unknown) => {
    throw refused(error, 'another name');
  });
  const parent = dirname(resolve(place));
  try {
    await makeFolders(parent);
    await access(parent, constants.W_OK);
  } catch (error) {
    throw refused(error, 'a folder that you may write to');
  }
}
