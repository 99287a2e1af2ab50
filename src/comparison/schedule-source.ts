/**
 * Where DiffRate's schedule for a budget comes from:
 * a list of ready ones (published, or files), or a search for each budget.
 */
import { formatGflops } from '../cost/cost.ts';
import { countFlops, flopsPerGflop } from '../cost/flops.ts';
import type { CountedNetwork } from '../cost/flops.ts';
import { flopsCost } from '../cost/flops-cost.ts';
import { readScheduleFile, writeScheduleFile } from '../exporting/schedule-file.ts';
import { textFingerprint } from '../execution/fingerprints.ts';
import type { Schedule } from '../reduction/schedule.ts';
import { formatSelectionChoice, settledSelection } from '../reduction/selection-choice.ts';
import { searchSpace } from '../reduction/search-space.ts';
import { searchSchedule } from '../compress/search.ts';
import type { NodeSearchOptions } from '../compress/search.ts';
import type { ImageSource } from '../data/image-source.ts';
import { progressFile } from '../files/progress-file.ts';
import type { SearchProgress } from '../search/search-options.ts';

/** A schedule and what to call it. */
export interface FoundSchedule {
  readonly schedule: Schedule;
  readonly name: string;
}

/** Why there is no schedule. */
export interface NoSchedule {
  readonly reason: string;
}

/** How far the search for a budget is. */
export type SearchStage = 'begun' | 'done';

/** How a schedule is asked for. */
export interface ScheduleWish {
  /**
   * How far the comparison that asks has come with its search before it was stopped:
   * that goes on, or is taken as it is.
   */
  readonly before: SearchStage | undefined;
  /** Called where a search begins and where its schedule is in its file, for the next time. */
  readonly onStage: (stage: SearchStage) => Promise<void>;
  /** Called after each step of a search. */
  readonly onProgress?: ((progress: SearchProgress) => void) | undefined;
}

/** Schedules by budget. */
export interface ScheduleSource {
  /**
   * Whether there will be one for that budget in GFLOPs, and if not, why; without any long work.
   */
  readonly available: (gflops: number) => NoSchedule | undefined;
  /** The schedule that costs most within the budget. */
  readonly at: (gflops: number, wish: ScheduleWish) => Promise<FoundSchedule | NoSchedule>;
  /** In words, for the report. */
  readonly description: string;
  /** What a checkpoint depends on. */
  readonly identity: () => Promise<string>;
}

/** Ready schedules; for a budget the one nearest below it. */
export function listedSchedules(
  listed: readonly FoundSchedule[],
  network: CountedNetwork,
  whenEmpty: string,
): ScheduleSource {
  const known = listed
    .map((found) => ({ found, gflops: countFlops(network, found.schedule).total / flopsPerGflop }))
    .sort((a, b) => b.gflops - a.gflops);
  const within = (gflops: number): FoundSchedule | NoSchedule => {
    const fitting = known.find((one) => one.gflops <= gflops);
    if (fitting !== undefined) return fitting.found;
    const least = known.at(-1);
    if (least === undefined) return { reason: whenEmpty };
    return { reason: `out of reach: the smallest schedule there is has ${formatGflops(least.gflops)} GFLOPs` };
  };
  return {
    available: (gflops) => {
      const found = within(gflops);
      return 'reason' in found ? found : undefined;
    },
    at: (gflops) => Promise.resolve(within(gflops)),
    description: known.map(({ found }) => found.name).join(' '),
    identity: async () => {
      const texts = known.map(async ({ found }) => `${found.name} (${await contentOf(found.schedule)})`);
      return (await Promise.all(texts)).join(' ');
    },
  };
}

/**
 * What a schedule does, in a few letters: a file of the same name may be another one the next time.
 */
function contentOf({ pruneKept, mergeKept, merging, selection }: Schedule): Promise<string> {
  return textFingerprint(JSON.stringify([pruneKept, mergeKept, merging, selection]));
}

/** A search for each budget. */
export interface SearchedSchedulesOptions extends Pick<
  NodeSearchOptions,
  'model' | 'preset' | 'seed' | 'steps' | 'selection' | 'objective' | 'runtime' | 'device' | 'threads' | 'onWarning'
> {
  readonly images: ImageSource;
  /** Path of the schedule file for a budget in GFLOPs; the search's checkpoint is beside it. */
  readonly fileOf: (gflops: number) => string;
}

/**
 * Searches a schedule for each budget; where a comparison is continued,
 * its finished searches are read from their files.
 */
export function searchedSchedules({ fileOf, ...wanted }: SearchedSchedulesOptions): ScheduleSource {
  const { network } = wanted.model;
  const cost = flopsCost(network);
  const { min } = cost.reachable(searchSpace(network));
  const missing = (gflops: number): NoSchedule | undefined =>
    gflops < min ? { reason: `out of reach: at least ${formatGflops(min)} GFLOPs` } : undefined;
  const done = new Map<number, FoundSchedule>();
  const { selection } = wanted;
  const selected = selection === undefined ? '' : `, by ${formatSelectionChoice(settledSelection(selection))}`;
  const description = `searched on ${wanted.images.name}, seed ${wanted.seed ?? 0}, steps ${wanted.steps ?? 'of the preset'}${selected}`;
  const searched = async (gflops: number, { before, onStage, onProgress }: ScheduleWish): Promise<FoundSchedule> => {
    const path = fileOf(gflops);
    const finished = before === 'done' ? await readScheduleFile(path).catch(() => undefined) : undefined;
    if (finished?.target === gflops) return { schedule: finished, name: path };
    const progress = progressFile(`${path}.checkpoint`);
    // What another comparison has searched is not taken for this one's.
    if (before === undefined) await progress.remove();
    await onStage('begun');
    const asked = { ...wanted, target: { value: gflops, unit: cost.unit }, resume: before !== undefined, progress };
    const { schedule } = await searchSchedule(asked, onProgress);
    await writeScheduleFile(path, schedule);
    await onStage('done');
    await progress.remove();
    return { schedule, name: path };
  };
  return {
    available: missing,
    async at(gflops, wish) {
      const found = missing(gflops) ?? done.get(gflops) ?? (await searched(gflops, wish));
      if ('schedule' in found) done.set(gflops, found);
      return found;
    },
    description,
    identity: () => Promise.resolve(description),
  };
}
