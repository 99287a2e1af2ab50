/**
 * Searches with what Node offers: images from folders, files or memory, progress in a file, and
 * ONNX Runtime of this process. The search itself (`search/`) knows nothing of Node.
 */
import type { ImageSource } from '../data/image-source.ts';
import { openImages } from '../data/open-images.ts';
import type { ImageInput } from '../data/open-images.ts';
import { progressFile } from '../files/progress-file.ts';
import type { ProgressStore } from '../files/progress-store.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { searchFront as searchFrontBy } from '../search/front/front.ts';
import type { FrontOptions, FrontOutcome, FrontProgress } from '../search/front/front-options.ts';
import { searchSchedule as searchScheduleBy } from '../search/search.ts';
import type { SearchOptions, SearchOutcome, SearchProgress } from '../search/search-options.ts';

/** What the search itself takes in their place. */
interface SearchForms {
  readonly images: ImageSource;
  readonly progress: ProgressStore | undefined;
  readonly runtime: Runtime;
}

/** Options of a search in Node. */
export interface NodeSearchOptions extends Omit<SearchOptions, keyof SearchForms> {
  /** A folder's path, files, images in memory, or a source. */
  readonly images: ImageInput;
  /** Path of a file, or a store. */
  readonly progress?: string | ProgressStore | undefined;
  /** Where graphs run, by default ONNX Runtime of this process. */
  readonly runtime?: Runtime | undefined;
}

/** Options of a front's search in Node. */
export interface NodeFrontOptions
  extends Omit<FrontOptions, keyof SearchForms>, Pick<NodeSearchOptions, keyof SearchForms> {}

/**
 * Searches a schedule; see `search/search.ts`.
 * @throws {DiffrateError} as that does, and where the images cannot be opened.
 */
export async function searchSchedule(
  options: NodeSearchOptions,
  onProgress?: (progress: SearchProgress) => void,
): Promise<SearchOutcome> {
  return searchScheduleBy({ ...options, ...(await settled(options)) }, onProgress);
}

/**
 * Searches the schedules of a front; see `search/front/front.ts`.
 * @throws {DiffrateError} as that does, and where the images cannot be opened.
 */
export async function searchFront(
  options: NodeFrontOptions,
  onProgress?: (progress: FrontProgress) => void,
): Promise<FrontOutcome> {
  return searchFrontBy({ ...options, ...(await settled(options)) }, onProgress);
}

/** The forms that the search itself takes. */
async function settled({
  images: folder,
  progress,
  runtime = nodeRuntime,
  strict,
  onWarning,
}: Pick<NodeSearchOptions, keyof SearchForms | 'strict' | 'onWarning'>): Promise<SearchForms> {
  return {
    runtime,
    images: await openImages(folder, { strict, onWarning }),
    progress: typeof progress === 'string' ? progressFile(progress) : progress,
  };
}
