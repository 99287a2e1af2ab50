/**
 * Searches for the scripts that need them: finished ones are kept as files, for all scripts alike,
 * and stopped ones continue.
 */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { integerOption } from '../../src/cli/options.ts';
import { formatSeconds } from '../../src/cli/output.ts';
import { prepareOutputFile } from '../../src/files/output-file.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { readScheduleFile, writeScheduleFile } from '../../src/exporting/schedule-file.ts';
import type { LoadedModel } from '../../src/loading/model-from-files.ts';
import type { Schedule } from '../../src/reduction/schedule.ts';
import { formatSelectionChoice } from '../../src/reduction/selection-choice.ts';
import { progressFile } from '../../src/files/progress-file.ts';
import { searchSchedule } from '../../src/compress/search.ts';
import { presets } from '../../src/search/presets.ts';
import type { SearchProgress } from '../../src/search/search-options.ts';
import type { PaperSetting } from './experiment.ts';
import { textOption } from './paper-options.ts';

/** One search. */
export interface WantedSearch {
  readonly model: LoadedModel;
  readonly folder: ImageSource;
  readonly gflops: number;
}

/**
 * The default search; with `--resume` one that was finished, by whichever script, is read from its
 * file.
 */
export async function searchedSchedule(
  setting: Pick<PaperSetting, 'given' | 'progress' | 'session' | 'seed'>,
  { model, folder, gflops }: WantedSearch,
): Promise<Schedule> {
  const { given, progress, session, seed } = setting;
  const directory = textOption(given, 'search-out') ?? 'out/paper';
  const steps = integerOption('steps', textOption(given, 'steps'));
  const length = steps === undefined ? '' : `-${steps}-steps`;
  const name = `${basename(model.name)}-${gflops.toPrecision(4)}-${folder.images.length}-images${length}-${formatSelectionChoice(presets['small-data'].selection)}-seed-${seed}`;
  const path = join(directory, `${name}.json`);
  const kept = progressFile(`${path}.checkpoint`);
  const resume = given['resume'] === true;
  if (resume && (await isFile(path))) return readScheduleFile(path);
  await prepareOutputFile(path);
  const options = {
    ...session,
    model,
    images: folder,
    seed,
    resume,
    target: { value: gflops, unit: 'GFLOPs' },
    preset: 'small-data',
    steps,
    progress: kept,
    onWarning: (message: string) => progress.note(`warning: ${message}`),
  } as const;
  const { schedule } = await searchSchedule(options, (report) => progress.update(`${name}: ${searchLine(report)}`));
  await writeScheduleFile(path, schedule);
  await kept.remove();
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
