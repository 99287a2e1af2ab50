/** Searches for the scripts that need them: finished ones are kept as files, stopped ones continue. */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { integerOption } from '../../src/cli/options.ts';
import { formatSeconds } from '../../src/cli/output.ts';
import { prepareOutputFile } from '../../src/cli/output-file.ts';
import type { ImageFolder } from '../../src/data/image-folder.ts';
import { readScheduleFile, writeScheduleFile } from '../../src/exporting/schedule-file.ts';
import type { LoadedModel } from '../../src/loading/load-model.ts';
import type { Schedule } from '../../src/reduction/schedule.ts';
import { searchSchedule } from '../../src/search/search.ts';
import type { SearchProgress } from '../../src/search/search-options.ts';
import type { PaperSetting } from './experiment.ts';
import { textOption } from './paper-options.ts';

/** One search. */
export interface WantedSearch {
  /** Of the schedule's file: `table-4c-128`. */
  readonly name: string;
  readonly model: LoadedModel;
  readonly folder: ImageFolder;
  readonly gflops: number;
}

/** The default search; with `--resume` one that was finished is read from its file. */
export async function searchedSchedule(
  setting: Pick<PaperSetting, 'given' | 'progress' | 'session' | 'seed'>,
  { name, model, folder, gflops }: WantedSearch,
): Promise<Schedule> {
  const { given, progress, session, seed } = setting;
  const directory = textOption(given, 'search-out') ?? 'out/paper';
  const path = join(directory, `${name}-${basename(model.name)}-${gflops.toPrecision(4)}-seed-${seed}.json`);
  const resume = given['resume'] === true;
  if (resume && (await isFile(path))) return readScheduleFile(path);
  await prepareOutputFile(path);
  const options = {
    ...session,
    model,
    folder,
    seed,
    resume,
    targetGflops: gflops,
    preset: 'small-data',
    steps: integerOption('steps', textOption(given, 'steps')),
    checkpoint: `${path}.checkpoint`,
    onWarning: (message: string) => progress.note(`warning: ${message}`),
  } as const;
  const { schedule } = await searchSchedule(options, (report) => progress.update(`${name}: ${searchLine(report)}`));
  await writeScheduleFile(path, schedule);
  return schedule;
}

/** One line of progress. */
export function searchLine({ phase, step, steps, loss, secondsLeft }: SearchProgress): string {
  return `${phase} ${step} of ${steps}, loss ${loss.toFixed(4)}, ${formatSeconds(secondsLeft)} left`;
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
