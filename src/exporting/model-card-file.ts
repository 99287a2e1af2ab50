/** Writes a model card anew, when figures have been measured after the export. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DiffrateError, messageOf } from '../errors.ts';
import { writeWholeFile } from '../files/whole-file.ts';
import { modelCard } from './model-card.ts';
import type { ModelCard } from './model-card.ts';

/**
 * Replaces `README.md` of an exported folder.
 * @throws DiffrateError if it cannot be written; the older one then stays
 */
export async function writeModelCard(directory: string, card: ModelCard): Promise<void> {
  const path = join(directory, 'README.md');
  try {
    await writeWholeFile(path, (beside) => writeFile(beside, modelCard(card)));
  } catch (error) {
    throw new DiffrateError(
      `The model card ${path} cannot be written (${messageOf(error)}): see that the folder is writable and has room.`,
    );
  }
}
