/** The schedule of a compression: searched on images, or the nearest published one. */
import { blockPrice, defaultBlockOverhead } from '../cost/block-overhead.ts';
import type { ImageSource } from '../data/image-source.ts';
import { DiffrateError } from '../errors.ts';
import type { ProgressStore } from '../files/progress-store.ts';
import { overheadOf } from '../evaluation/block-overhead.ts';
import { namedShape } from '../networks/model.ts';
import type { Schedule } from '../reduction/schedule.ts';
import { requireSelectable, settledSelection, withSelection } from '../reduction/selection-choice.ts';
import { guardedRuntime } from '../runtime/guarded-runtime.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import { defaultPreset, presets } from '../search/presets.ts';
import { prepareSearch } from '../search/search.ts';
import type { SearchHistoryEntry } from '../search/search-options.ts';
import type { CompressProgress, OpenedCompression, SearchFigures } from './compress-options.ts';
import { searchSchedule } from './search.ts';
import type { NodeSearchOptions } from './search.ts';
import { publishedScheduleNear } from './published-schedule.ts';

/** A schedule, and how it was found. */
export interface FoundSchedule {
  readonly schedule: Schedule;
  /** `null` where it is a published one. */
  readonly search: SearchFigures | null;
  readonly history: readonly SearchHistoryEntry[];
}

/**
 * Finds a schedule.
 * @param gflops target in 10⁹ multiply-accumulates.
 * @param progress from which a search that was stopped continues.
 * @throws {DiffrateError} as the search does; without images where no published schedule is near.
 */
export async function findSchedule(
  options: OpenedCompression,
  gflops: number,
  progress: ProgressStore,
  onProgress: (progress: CompressProgress) => void,
): Promise<FoundSchedule> {
  const wanted = searchOf(options, gflops, progress);
  if (wanted === undefined) return { schedule: published(options, gflops), search: null, history: [] };
  const blockOverhead = options.blockOverhead ?? (await measuredOverhead(options, gflops));
  const { schedule, history, ...figures } = await searchSchedule({ ...wanted, blockOverhead }, (progress) =>
    onProgress({ stage: 'search', ...progress }),
  );
  return { schedule, search: figures, history };
}

/** Below this share of the loss, what a block costs beside its tokens decides nothing. */
const leastPrice = 0.01;

/**
 * What choosing and merging takes in one block on the device, in GFLOPs; `undefined` where it
 * hardly counts, or nothing depends on it.
 */
async function measuredOverhead(options: OpenedCompression, gflops: number): Promise<number | undefined> {
  const { model, device, threads, runtime = nodeRuntime, preset = defaultPreset, changes, selection } = options;
  const recipe = { ...presets[preset], ...changes };
  const { lossPerCost } = recipe.refinement ?? {};
  if (lossPerCost === undefined || blockPrice(defaultBlockOverhead, gflops, lossPerCost) < leastPrice) return undefined;
  const settled = selection === undefined ? recipe.selection : settledSelection(selection);
  const rules = { merging: recipe.merging, selection: settled };
  return overheadOf(model, { runtime: guardedRuntime(runtime), device, threads, rules });
}

/**
 * Checks that a schedule could be found; nothing is run.
 * @throws {DiffrateError} as `findSchedule` does before it runs anything.
 */
export async function checkSchedule(
  options: OpenedCompression,
  gflops: number,
  progress: ProgressStore,
): Promise<void> {
  const wanted = searchOf(options, gflops, progress);
  if (wanted === undefined) published(options, gflops);
  else await prepareSearch({ ...wanted, runtime: options.runtime ?? nodeRuntime });
}

/** The published schedule near the target, with the rule of selection that was asked for. */
function published({ model, selection, onWarning }: OpenedCompression, gflops: number): Schedule {
  const schedule = publishedScheduleNear(model.name, gflops);
  if (selection === undefined) return schedule;
  requireSelectable(settledSelection(selection), namedShape(model.network, model.name));
  return withSelection(schedule, selection, { source: schedule.name, onWarning });
}

/** The search of a compression; `undefined` where it has no images. */
function searchOf(
  options: OpenedCompression,
  gflops: number,
  progress: ProgressStore,
): (NodeSearchOptions & { readonly images: ImageSource; readonly progress: ProgressStore }) | undefined {
  const { images } = options;
  if (images === undefined) return undefined;
  if (images.images.length === 0) throw new DiffrateError('There are no images to search on: give some hundred.');
  const { directory: _, dtypes: __, evaluationImages: ___, write: ____, correct: _____, ...passed } = options;
  return { ...passed, images, target: { value: gflops, unit: 'GFLOPs' }, progress };
}
