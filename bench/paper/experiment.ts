/**
 * What a script of `bench/paper` is, and what all of them work with: network, schedule, images,
 * settings.
 */
import { join } from 'node:path';
import type { ArgsDef } from 'citty';
import { existsSync } from 'node:fs';
import { countFlops, flopsPerGflop } from '../../src/cost/flops.ts';
import { integerOption } from '../../src/cli/options.ts';
import type { Progress } from '../../src/cli/progress.ts';
import { resolveSchedule } from '../../src/cli/schedule-option.ts';
import { sessionOptions } from '../../src/cli/session-options.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { DiffrateError } from '../../src/errors.ts';
import { loadModel } from '../../src/loading/load-model.ts';
import type { LoadedModel } from '../../src/loading/model-from-files.ts';
import { imagesFor } from '../../src/networks/model.ts';
import type { Schedule } from '../../src/reduction/schedule.ts';
import type { SessionOptions } from '../../src/runtime/runtime.ts';
import { dataPath } from '../measurement.ts';
import { paperBudgets } from './paper-figures.ts';
import { textOption, withoutPath } from './paper-options.ts';
import type { GivenOptions } from './paper-options.ts';
import type { PaperTable } from './paper-result.ts';

/** One script. */
export interface PaperExperiment {
  /** As in `npm run paper -- NAME`. */
  readonly name: string;
  /** What it repeats: `Table 4a: importance metrics`. */
  readonly title: string;
  /** For the list of scripts, in a sentence. */
  readonly description: string;
  /** Options besides the common ones. */
  readonly options: ArgsDef;
  readonly run: (setting: PaperSetting) => Promise<PaperTable>;
}

/** What a script works with. */
export interface PaperSetting {
  readonly model: LoadedModel;
  readonly session: SessionOptions;
  readonly seed: number;
  /** The script's own options as they were given. */
  readonly given: GivenOptions;
  readonly progress: Progress;
  /** The schedule that was asked for, or the one published at the paper's budget. */
  readonly schedule: () => Promise<NamedSchedule>;
  /** Images to evaluate on. */
  readonly evaluationFolder: () => Promise<ImageSource>;
  /** Images to search on, all or the first so many. */
  readonly searchFolder: (limit?: number) => Promise<ImageSource>;
}

/** A schedule, its name and its cost by the paper's count. */
export interface NamedSchedule {
  readonly schedule: Schedule;
  readonly scheduleName: string;
  readonly gflops: number;
}

/**
 * Settles the common options.
 * @throws {DiffrateError} where the weights are not there or anything does not fit
 */
export async function settingOf(given: GivenOptions, progress: Progress): Promise<PaperSetting> {
  const name = textOption(given, 'model') ?? '';
  const threads = textOption(given, 'threads');
  const session = sessionOptions({ device: textOption(given, 'device') ?? 'cpu', ...(threads && { threads }) });
  const seed = integerOption('seed', textOption(given, 'seed'), 0) ?? 0;
  const images = integerOption('images', textOption(given, 'images'));
  const model = await loadNetwork(name, textOption(given, 'weights'));
  const onWarning = (message: string): void => progress.note(`warning: ${message}`);
  const open = async (option: string, folder: string, limit: number | undefined): Promise<ImageSource> => {
    const found = { onWarning, ...(limit && { limit }) };
    return imagesFor(model, await openImageFolder(textOption(given, option) ?? dataPath(folder), found), found);
  };
  return {
    model,
    session,
    seed,
    given,
    progress,
    schedule: () => scheduleOf(model, textOption(given, 'schedule')),
    evaluationFolder: () => open('eval-data', 'imagenet-val', images),
    searchFolder: (limit) => open('data', 'imagenet-calibration', limit),
  };
}

/** A network with its weights, by default those of the data folder. */
export async function loadNetwork(name: string, weights: string | undefined): Promise<LoadedModel> {
  const own = dataPath(join('weights', `${name}.safetensors`));
  const file = weights ?? (existsSync(own) ? own : undefined);
  return loadModel(name, file === undefined ? {} : { weights: file });
}

async function scheduleOf(model: LoadedModel, given: string | undefined): Promise<NamedSchedule> {
  const text = given ?? paperBudgets[model.name];
  const named = await resolveSchedule(text, model);
  if (named === undefined)
    throw new DiffrateError(`The paper has no schedule for ${model.name}: give one with --schedule FILE.`);
  const scheduleName = withoutPath(named.scheduleName);
  return {
    schedule: named.schedule,
    scheduleName,
    gflops: countFlops(model.network, named.schedule).total / flopsPerGflop,
  };
}
