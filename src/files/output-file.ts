/** Before long work: whether a file could be written there at all. */
import { constants } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DiffrateError, messageOf } from '../errors.ts';

/**
 * Makes the folder that a file is to be written into.
 * @throws DiffrateError if that cannot be, or `path` is a folder itself
 */
export async function prepareOutputFile(path: string): Promise<void> {
  const parent = dirname(resolve(path));
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory())
    throw new DiffrateError(`${path} is a folder where a file is to be written: name a file in it.`);
  try {
    await mkdir(parent, { recursive: true });
    await access(parent, constants.W_OK);
  } catch (error) {
    throw new DiffrateError(`${path} cannot be written (${messageOf(error)}): choose a folder that you may write to.`);
  }
}
