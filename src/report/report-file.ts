/** Writes a report as a file: beside its place, then renamed. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DiffrateError, messageOf } from '../errors.ts';
import { reportPage } from './page.ts';
import type { ReportPage } from './page.ts';

/** What a report is called in its folder. */
export const reportFileName = 'report.html';

/**
 * Writes or replaces a report.
 * @throws DiffrateError if it cannot be written; an older one then stays
 */
export async function writeReport(path: string, page: ReportPage): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${process.pid}.partial`);
  try {
    await writeFile(beside, reportPage(page));
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw new DiffrateError(
      `The report ${path} cannot be written (${messageOf(error)}): see that its folder is writable and has room.`,
    );
  }
}
