/**
 * Reads batches of image files, or of an IDX file's images, in threads: file → 8-bit RGB → crop →
 * normalised floats. Decoded images are kept for the next epoch where there is room.
 */
import { availableCores } from '../threads/available-cores.ts';
import { WorkerPool } from '../threads/worker-pool.ts';
import type { WorkerPoolSentences } from '../threads/worker-pool.ts';
import type { DecodingOptions } from './decoding/decoding-options.ts';
import { imageKey } from './decoded-images.ts';
import type { GreyImages } from './grey-images.ts';
import type { ImageJob, ImageJobResult, ImageRequest, ImageWorkerSettings } from './image-job.ts';
import type { ImageSlot } from './image-order.ts';
import type { ImageReader, ReadImages, ReadingOptions, SourceImage } from './image-source.ts';

/** Where the pixels of a folder's images are. */
export interface FolderPixels {
  /** Absolute path of an image's file, or its position in `pixels`. */
  readonly sourceOf: (image: SourceImage) => string | number;
  /** Undecoded pixels of an IDX file's images. */
  readonly pixels?: GreyImages;
  /** How files are decoded. */
  readonly decoding?: DecodingOptions;
  /** As that of the source; default the path or position. */
  readonly keyOf?: (image: SourceImage) => string;
}

const sentences: WorkerPoolSentences = {
  closed: 'The image loader was closed: create a new one to read on.',
  stopped: (reason) => `A thread that loads images stopped (${reason}): try again with fewer workers.`,
};

/** At most so many threads decode; more do not help a network that keeps every core busy. */
const mostWorkers = 4;

/**
 * Opens a reader. By default it has one thread less than this process has cores, from 1 to 4.
 */
export function openFolderReader(folder: FolderPixels, options: ReadingOptions): ImageReader {
  const { sourceOf, pixels, decoding = {}, keyOf = (image) => String(sourceOf(image)) } = folder;
  const { images, preprocessing, augmentation, seed, decoded } = options;
  const workers = options.workers ?? Math.min(Math.max(availableCores() - 1, 1), mostWorkers);
  const workerData: ImageWorkerSettings = { preprocessing, decoding, augmentation, seed, ...(pixels && { pixels }) };
  // From sources the worker is a TypeScript file, in the published package a JavaScript one.
  const file = new URL(import.meta.url.endsWith('.ts') ? './image-worker.ts' : './image-worker.js', import.meta.url);
  const pool = new WorkerPool<ImageJob, ImageJobResult>({ file, size: workers, workerData, sentences });
  const imageAt = ({ index }: ImageSlot): SourceImage => {
    const image = images[index];
    if (image === undefined) throw new RangeError(`there is no image ${index}`);
    return image;
  };
  const keyAt = (slot: ImageSlot): string => imageKey(keyOf(imageAt(slot)), { preprocessing, augmentation });
  const requests = (slots: readonly ImageSlot[]): ImageRequest[] =>
    slots.map((slot) => {
      const cached = decoded?.get(keyAt(slot));
      return { ...slot, source: sourceOf(imageAt(slot)), ...(cached && { cached }) };
    });
  const read = async (slots: readonly ImageSlot[]): Promise<ReadImages> => {
    // libvips must stay loaded while any thread uses it, so the main thread loads it, too.
    if (pixels === undefined) await import('sharp');
    if (decoded === undefined) return pool.run({ images: requests(slots), keepDecoded: false });
    const announcement = decoded.announce(slots.map(keyAt));
    try {
      await announcement.others;
      const result = await pool.run({ images: requests(slots), keepDecoded: decoded.hasRoom });
      decoded.count(result.decodings);
      for (const { slot, image } of result.decoded) {
        const place = slots[slot];
        if (place) decoded.keep(keyAt(place), image);
      }
      return result;
    } finally {
      announcement.done();
    }
  };
  return { parallel: workers, read, close: () => pool.close() };
}
