/**
 * `--out DIR` before long work: whether the folder could be written, and its name where none was
 * given.
 */
import { checkTarget } from '../files/staged-folder.ts';
import type { FolderKind } from '../files/staged-folder.ts';
import { prepareOutputFile } from '../files/output-file.ts';

/**
 * Checks that a folder of that kind could be written there.
 * @throws {DiffrateError} where it could not
 */
export async function prepareFolder(path: string, kind: FolderKind): Promise<void> {
  if (!(await checkTarget(path, kind))) await prepareOutputFile(path);
}

/** A folder here, named after a network: of a hub id the slash would be a folder. */
export const folderNamedAfter = (model: string, what: string): string => `${model.replaceAll('/', '-')}-${what}`;
