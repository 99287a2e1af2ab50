/** The schedule of a compression: searched on images, or the nearest published one. */
import { DiffrateError } from '../errors.ts';
import type { ProgressStore } from '../files/progress-store.ts';
import type { Schedule } from '../reduction/schedule.ts';
import type { SearchHistoryEntry } from '../search/search-options.ts';
import type { CompressProgress, OpenedCompression, SearchFigures } from './compress-options.ts';
import { searchSchedule } from './search.ts';
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
  const { model, images } = options;
  if (images === undefined) return { schedule: publishedScheduleNear(model.name, gflops), search: null, history: [] };
  if (images.images.length === 0) throw new DiffrateError('There are no images to search on: give some hundred.');
  const { schedule, history, ...figures } = await searchSchedule(
    { ...options, images, target: { value: gflops, unit: 'GFLOPs' }, progress },
    (progress) => onProgress({ stage: 'search', ...progress }),
  );
  return { schedule, search: figures, history };
}
