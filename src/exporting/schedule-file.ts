/**
 * Schedule files on disk: read with a sentence for every mishap, written beside and renamed so that
 * no half file is ever seen.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { DiffrateError, messageOf } from '../errors.ts';
import { writeWholeFile } from '../files/whole-file.ts';
import { effectiveSchedule, parseSchedule, serializeSchedule, type Schedule } from '../reduction/schedule.ts';

/**
 * Reads and parses a schedule file. It is not yet compared with a network: see `validateSchedule`.
 *
 * @throws DiffrateError if the file cannot be read or is not a schedule
 */
export async function readScheduleFile(path: string): Promise<Schedule> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new DiffrateError(
      `The schedule ${path} cannot be read (${messageOf(error)}): give the path of a schedule.json or the name of a published schedule.`,
    );
  }
  return parseSchedule(text, path);
}

/**
 * Writes a schedule, kept numbers lowered to what they really keep (`effectiveSchedule`). The
 * folder is made if absent.
 *
 * @throws DiffrateError if the file cannot be written; an older file of that name is then untouched
 */
export async function writeScheduleFile(path: string, schedule: Schedule): Promise<void> {
  try {
    const text = serializeSchedule(effectiveSchedule(schedule));
    await writeWholeFile(path, (beside) => writeFile(beside, text));
  } catch (error) {
    throw new DiffrateError(
      `The schedule ${path} cannot be written (${messageOf(error)}): choose a folder that you may write to.`,
    );
  }
}
