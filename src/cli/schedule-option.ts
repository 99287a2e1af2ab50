/**
 * `--schedule FILE|NAME`: a schedule file or a published schedule, checked against the network it
 * is for.
 */
import { stat } from 'node:fs/promises';
import { readScheduleFile } from '../exporting/schedule-file.ts';
import { namedShape } from '../networks/model.ts';
import type { NetworkShape } from '../reduction/network-shape.ts';
import { findPublishedSchedule } from '../reduction/published-schedules.ts';
import type { Schedule } from '../reduction/schedule.ts';
import { validateSchedule } from '../reduction/validate-schedule.ts';
import { printWarning } from './output.ts';

/** A schedule, and what to call it: its file, or its full name. */
export interface NamedSchedule {
  readonly schedule: Schedule;
  readonly scheduleName: string;
}

/**
 * Finds a schedule and checks that it fits; a schedule that was learnt for another network of the
 * same sizes is worth a warning.
 * @param text `undefined` where the option was not given
 * @throws DiffrateError if there is none of that name, it is damaged, or it does not fit
 */
export async function resolveSchedule(
  text: string | undefined,
  network: { readonly name: string; readonly network: NetworkShape },
): Promise<NamedSchedule | undefined> {
  if (text === undefined) return undefined;
  const found = await findSchedule(text, network.name);
  const shape = namedShape(network.network, network.name);
  const warnings = validateSchedule(found.schedule, shape, {
    source: found.scheduleName,
    allowRising: found.published,
  });
  for (const warning of warnings) printWarning(warning);
  return { schedule: found.schedule, scheduleName: found.scheduleName };
}

async function findSchedule(text: string, model: string): Promise<NamedSchedule & { readonly published: boolean }> {
  const isThere = await stat(text).then(
    (found) => found.isFile(),
    () => false,
  );
  if (isThere || /[/\\]|\.json$/.test(text)) {
    return { schedule: await readScheduleFile(text), scheduleName: text, published: false };
  }
  const schedule = findPublishedSchedule(text, model);
  return { schedule, scheduleName: schedule.name, published: true };
}
