/**
 * Batches of images as a network's input, fetched ahead, so that their consumer need not wait.
 * They come in order and once for evaluating, and shuffled without end for searching and training.
 * Shuffled, batch n is a function of the seed and n alone: a run that starts at step n sees what an
 * unbroken one would have seen. The source decides where images are decoded, in threads or here.
 */

import { DiffrateError, UsageError } from '../errors.ts';
import { checkAugmentation } from './augmentation.ts';
import type { ImageAugmentation } from './augmentation.ts';
import { DecodedImages } from './decoded-images.ts';
import { ImageOrder } from './image-order.ts';
import type { ImageSlot } from './image-order.ts';
import type { ImageReader, ImageSource, SourceImage } from './image-source.ts';
import { sizeText } from './preprocessing.ts';
import type { Preprocessing } from './preprocessing.ts';

/** How to load images. */
export interface ImageLoaderOptions {
  readonly source: ImageSource;
  readonly preprocessing: Preprocessing;
  /** Images per batch B. */
  readonly batchSize: number;
  /**
   * `sequential` (default): every image once, the last batch may be smaller. `shuffled`: epoch
   * after epoch, no end.
   */
  readonly order?: 'sequential' | 'shuffled';
  /** Seed of order and augmentation, default 0. */
  readonly seed?: number;
  /** The batch to start with, default 0. */
  readonly startStep?: number;
  /** Default none: the centre crop. */
  readonly augmentation?: ImageAugmentation;
  /**
   * Views of an image that come one after the other where `shuffled`, default 1; see `ImageOrder`.
   * The published recipe has 3.
   */
  readonly repeatedAugmentation?: number;
  /** Threads of a folder's reader; see `folder-reader.ts` for the default. */
  readonly workers?: number;
  /** Batches that are fetched ahead, default one more than the reader works on at a time. */
  readonly prefetch?: number;
  /**
   * Where decoded images are kept for the next epoch, and shared with others that read the same
   * images. Images that are in memory anyway are not kept there.
   */
  readonly decoded?: DecodedImages;
  /**
   * Without `decoded`: whether the loader keeps decoded images for itself until it is closed.
   * Default: where `shuffled` and images are not in memory.
   */
  readonly cacheDecoded?: boolean;
  /**
   * The most memory for that in bytes, default 512 MB. What does not fit is decoded again in every
   * epoch.
   */
  readonly cacheBytes?: number;
  /** Fail at the first image that cannot be decoded, or that is odd, instead of a warning. */
  readonly strict?: boolean;
  /** Called once for each image that is left out, and once for each that is odd. */
  readonly onWarning?: (message: string) => void;
}

/** A batch. */
export interface ImageBatch {
  /** Number of the batch, from 0. */
  readonly step: number;
  /** Normalised pixels `[B, channels, H, W]`. */
  readonly pixels: Float32Array;
  /** `[B, channels, H, W]` as numbers. */
  readonly shape: readonly [number, number, number, number];
  /** Class numbers `[B]`, where the folder is labelled; −1 for an image without one. */
  readonly labels?: Int32Array;
  /** Positions in `folder.images`, `[B]`. */
  readonly indices: Int32Array;
  /** Whether each image was flipped by the augmentation, `[B]`. */
  readonly flipped: readonly boolean[];
  /** Files as in the folder, B of them. */
  readonly files: readonly string[];
}

/** An image that could not be decoded, and why. */
export interface SkippedImage {
  readonly file: string;
  readonly reason: string;
}

/** Loads batches; iterate it with `for await`, and close it when done. */
export class ImageLoader implements AsyncIterable<ImageBatch> {
  /** Batches in all; undefined where there is no end. */
  readonly steps: number | undefined;
  readonly #options: ImageLoaderOptions;
  readonly #folder: ImageSource;
  readonly #shuffled: boolean;
  readonly #prefetch: number;
  readonly #order: ImageOrder;
  readonly #reader: ImageReader;
  readonly #skipped = new Map<number, SkippedImage>();
  readonly #warned = new Set<number>();
  /** Undefined where nothing is kept. */
  readonly #decoded: DecodedImages | undefined;
  #waitingMilliseconds = 0;
  #startupMilliseconds: number | undefined;

  constructor(options: ImageLoaderOptions) {
    const { source: folder, preprocessing, batchSize, seed = 0, repeatedAugmentation = 1 } = options;
    requireInteger('batch size', batchSize, 1);
    if (options.workers !== undefined) requireInteger('number of workers', options.workers, 1);
    if (options.prefetch !== undefined) requireInteger('number of batches to fetch ahead', options.prefetch, 1);
    requireInteger('step to start with', options.startStep ?? 0, 0);
    const { resize, crop } = preprocessing;
    if (resize.height < crop.height || resize.width < crop.width) {
      throw new UsageError(
        `The size after resizing (${sizeText(resize)} pixels) must not be smaller than the crop ` +
          `(${sizeText(crop)} pixels): make it larger, or the crop smaller.`,
      );
    }
    if (folder.images.length === 0) throw new DiffrateError(`'${folder.name}' holds no images: add some.`);
    this.#options = options;
    this.#folder = folder;
    this.#shuffled = options.order === 'shuffled';
    requireInteger('number of repetitions', repeatedAugmentation, 1);
    this.#order = new ImageOrder(
      folder.images.length,
      batchSize,
      this.#shuffled ? seed : undefined,
      repeatedAugmentation,
    );
    this.steps = this.#order.steps;
    this.#decoded = decodedImagesOf(options);
    const { augmentation = {}, workers } = options;
    checkAugmentation(augmentation);
    const decoded = this.#decoded;
    this.#reader = folder.open({
      images: folder.images,
      preprocessing,
      augmentation,
      seed,
      workers,
      decoded,
    });
    this.#prefetch = options.prefetch ?? this.#reader.parallel + 1;
  }

  /** Images found undecodable so far. */
  get skipped(): readonly SkippedImage[] {
    return [...this.#skipped.values()];
  }

  /**
   * Time in which the consumer waited for a batch that was not ready, the first batch included, in
   * ms.
   */
  get waitingMilliseconds(): number {
    return this.#waitingMilliseconds;
  }

  /**
   * The part of `waitingMilliseconds` that went into the first batch (threads start, nothing is
   * cached), in ms.
   */
  get startupMilliseconds(): number {
    return this.#startupMilliseconds ?? 0;
  }

  /** Lets go of threads and memory. */
  async close(): Promise<void> {
    await this.#reader.close();
    if (this.#decoded !== this.#options.decoded) this.#decoded?.clear();
  }

  [Symbol.asyncIterator](): AsyncGenerator<ImageBatch, void, undefined> {
    return this.batches(this.#options.startStep ?? 0);
  }

  /**
   * Batches from `startStep` on.
   * @throws DiffrateError if no image can be decoded, a thread stops, or, with `strict`, an image
   *   cannot be decoded.
   */
  async *batches(startStep = 0): AsyncGenerator<ImageBatch, void, undefined> {
    const queue: { batch: Promise<ImageBatch | undefined>; ready: boolean }[] = [];
    let next = startStep;
    const fill = (): void => {
      while (queue.length < this.#prefetch && next < (this.steps ?? Infinity)) {
        const entry = { batch: this.#load(next), ready: false };
        const settled = (): void => {
          entry.ready = true;
        };
        entry.batch.then(settled, settled);
        queue.push(entry);
        next += 1;
      }
    };
    for (fill(); ; fill()) {
      const entry = queue.shift();
      if (!entry) break;
      const start = entry.ready ? undefined : performance.now();
      const batch = await entry.batch;
      if (start !== undefined) this.#waitingMilliseconds += performance.now() - start;
      this.#startupMilliseconds ??= this.#waitingMilliseconds;
      fill();
      if (batch) yield batch;
    }
    if (this.#skipped.size === this.#folder.images.length) throw this.#nothingDecodable();
  }

  /** Loads one batch; undefined if none of its images can be decoded. */
  async #load(step: number): Promise<ImageBatch | undefined> {
    for (;;) {
      const slots = this.#order.slots(step, this.#skipped);
      if (this.#skipped.size === this.#folder.images.length) throw this.#nothingDecodable();
      if (slots.length === 0) return undefined;
      const { pixels, flipped, failures, warnings = [] } = await this.#reader.read(slots);
      for (const { slot, reason } of failures) this.#skip(slots[slot], reason);
      for (const { slot, warning } of warnings) this.#warn(slots[slot], warning);
      // A shuffled batch is always full: again, with others in place of those that failed.
      if (failures.length > 0 && this.#shuffled) continue;
      const failed = new Set(failures.map(({ slot }) => slot));
      const loaded = slots.filter((_, slot) => !failed.has(slot));
      return loaded.length === 0 ? undefined : this.#assemble(step, loaded, pixels, flipped);
    }
  }

  #assemble(step: number, slots: readonly ImageSlot[], pixels: Float32Array, flipped: readonly boolean[]): ImageBatch {
    const { crop, mean } = this.#options.preprocessing;
    return {
      step,
      pixels,
      shape: [slots.length, mean.length, crop.height, crop.width],
      ...(this.#folder.labelled && { labels: Int32Array.from(slots, ({ index }) => this.#image(index).label ?? -1) }),
      indices: Int32Array.from(slots, ({ index }) => index),
      flipped,
      files: slots.map(({ index }) => this.#image(index).file),
    };
  }

  #image(index: number): SourceImage {
    const image = this.#folder.images[index];
    if (!image) throw new RangeError(`there is no image ${index}`);
    return image;
  }

  #skip(slot: ImageSlot | undefined, reason: string): void {
    if (!slot || this.#skipped.has(slot.index)) return;
    const { file } = this.#image(slot.index);
    const message = `Cannot decode the image '${file}' in '${this.#folder.name}' (${reason})`;
    if (this.#options.strict) throw new DiffrateError(`${message}: replace or remove it.`);
    this.#skipped.set(slot.index, { file, reason });
    this.#options.onWarning?.(`${message}: it is left out.`);
  }

  #warn(slot: ImageSlot | undefined, warning: string): void {
    if (!slot || this.#warned.has(slot.index)) return;
    this.#warned.add(slot.index);
    const message = `The image '${this.#image(slot.index).file}' in '${this.#folder.name}' ${warning}.`;
    if (this.#options.strict) throw new DiffrateError(message);
    this.#options.onWarning?.(message);
  }

  #nothingDecodable(): DiffrateError {
    const { name, images } = this.#folder;
    const first = this.skipped[0];
    return new DiffrateError(
      `None of the ${images.length} images in '${name}' can be decoded ` +
        `('${first?.file}': ${first?.reason}): replace them.`,
    );
  }
}

/**
 * The images that others share, or a store of the loader's own; `undefined` where it keeps nothing.
 */
function decodedImagesOf(options: ImageLoaderOptions): DecodedImages | undefined {
  const { decoded, source: folder, order, cacheBytes } = options;
  const areFiles = folder.keyOf !== undefined;
  if (decoded !== undefined) return areFiles ? decoded : undefined;
  if (!(options.cacheDecoded ?? (order === 'shuffled' && areFiles))) return undefined;
  return new DecodedImages(cacheBytes === undefined ? {} : { bytes: cacheBytes });
}

function requireInteger(name: string, value: number, minimum: number): void {
  if (Number.isInteger(value) && value >= minimum) return;
  throw new UsageError(`The ${name} must be an integer from ${minimum}, not ${value}.`);
}

/** Opens a loader over a folder; see {@link ImageLoaderOptions}. */
export function createImageLoader(options: ImageLoaderOptions): ImageLoader {
  return new ImageLoader(options);
}
