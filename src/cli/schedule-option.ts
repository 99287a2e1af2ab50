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
import { formatSelectionChoice, requireSelectable, withSelection } from '../reduction/selection-choice.ts';
import type { SelectionChoice } from '../reduction/selection-choice.ts';
import { printWarning } from './output.ts';

/** A schedule, and what to call it: its file, or its full name. */
export interface NamedSchedule {
  readonly schedule: Schedule;
  readonly scheduleName: string;
}

/** The rule of a schedule as `--selection` takes it; `null` without a schedule. */
export function selectionOf(named: NamedSchedule | undefined): string | null {
  return named === undefined ? null : formatSelectionChoice(named.schedule.selection);
}

/**
 * Finds a schedule and checks that it fits; a schedule that was learnt for another network of the
 * same sizes is worth a warning.
 * @param text `undefined` where the option was not given
 * @param selection rule for a schedule that names none
 * @throws DiffrateError if there is none of that name, it is damaged, or it does not fit
 */
export async function resolveSchedule(
  text: string | undefined,
  network: { readonly name: string; readonly network: NetworkShape },
  selection?: SelectionChoice,
): Promise<NamedSchedule | undefined> {
  if (text === undefined) return undefined;
  const found = await findSchedule(text, network.name);
  const shape = namedShape(network.network, network.name);
  const warnings = validateSchedule(found.schedule, shape, {
    source: found.scheduleName,
    allowRising: found.published,
  });
  for (const warning of warnings) printWarning(warning);
  const { scheduleName } = found;
  const schedule =
    selection === undefined
      ? found.schedule
      : withSelection(found.schedule, selection, { source: scheduleName, onWarning: printWarning });
  requireSelectable(schedule.selection, shape);
  return { schedule, scheduleName };
}

async function findSchedule(text: string, model: string): Promise<NamedSchedule & { readonly published: boolean }> {
  const file = await scheduleFile(text);
  if (file !== undefined) return { schedule: await readScheduleFile(file), scheduleName: text, published: false };
  const schedule = findPublishedSchedule(text, model);
  return { schedule, scheduleName: schedule.name, published: true };
}

/** The file that `--schedule` means; `undefined` where it is a published schedule's name. */
export async function scheduleFile(text: string): Promise<string | undefined> {
  const isThere = await stat(text).then(
    (found) => found.isFile(),
    () => false,
  );
  return isThere || /[/\\]|\.json$/.test(text) ? text : undefined;
}
