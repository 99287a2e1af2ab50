/** Writes a report as a file. */
import { writeFile } from 'node:fs/promises';
import { DiffrateError, messageOf } from '../errors.ts';
import { writeWholeFile } from '../files/whole-file.ts';
import { reportPage } from './page.ts';
import type { ReportPage } from './page.ts';

/** What the report of a compression is called in its folder. */
export const reportFileName = 'report.html';

/** What the pages of pictures and of a comparison are called, which may lie in that folder, too. */
export const picturesFileName = 'tokens.html';
export const comparisonFileName = 'comparison.html';

/**
 * Writes or replaces a report.
 * @throws DiffrateError if it cannot be written; an older one then stays
 */
export async function writeReport(path: string, page: ReportPage): Promise<void> {
  try {
    await writeWholeFile(path, (beside) => writeFile(beside, reportPage(page)));
  } catch (error) {
    throw new DiffrateError(
      `The report ${path} cannot be written (${messageOf(error)}): see that its folder is writable and has room.`,
    );
  }
}
