/** Writes a report as a file. */
import { writeFile } from 'node:fs/promises';
import { DiffrateError, messageOf } from '../errors.ts';
import { writeWholeFile } from '../files/whole-file.ts';
import { reportPage } from './page.ts';
import type { ReportPage } from './page.ts';

/** What a report is called in its folder. */
export const reportFileName = 'report.html';

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
