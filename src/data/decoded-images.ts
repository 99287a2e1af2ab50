/**
 * Decoded images that several loaders and pictures of a process share, so that a file is decoded
 * once for each way to prepare it. Who makes one hands it to all that read the same images.
 */

import type { ImageAugmentation } from './augmentation.ts';
import { resizeImage } from './pillow-resize.ts';
import type { RgbImage } from './pillow-resize.ts';
import { isGrey } from './preprocessing.ts';
import type { Preprocessing } from './preprocessing.ts';

/**
 * A decoded image that is kept, RGB in memory that all threads share.
 * It is the centre crop where only that is used, and the whole image where random crops are taken.
 * Nobody writes to it.
 */
export interface CachedImage {
  /** `[height, width, 3]` over a SharedArrayBuffer. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** What was announced: see `DecodedImages.announce`. */
export interface Announcement {
  /**
   * Settles when others are done with those of the images that they announced earlier; it never
   * fails.
   */
  readonly others: Promise<unknown>;
  /** To be called when the images were kept, or could not be decoded. */
  readonly done: () => void;
}

/** How much is kept. */
export interface DecodedImagesOptions {
  /** The most memory in bytes, default 512 MB. */
  readonly bytes?: number | undefined;
}

const DEFAULT_BYTES = 512 * 2 ** 20;

/** Images by key (see `imageKey`), as many as there is memory for. */
export class DecodedImages {
  readonly #bytes: number;
  readonly #images = new Map<string, CachedImage>();
  readonly #announced = new Map<string, Promise<void>>();
  #room: number;
  #decodings = 0;

  constructor({ bytes = DEFAULT_BYTES }: DecodedImagesOptions = {}) {
    this.#bytes = bytes;
    this.#room = bytes;
  }

  /** How many images were decoded by those who share this, kept or not. */
  get decodings(): number {
    return this.#decodings;
  }

  /** Whether more images are kept: `false` as soon as one did not fit. */
  get hasRoom(): boolean {
    return this.#room > 0;
  }

  /** The image, if it was kept. */
  get(key: string): CachedImage | undefined {
    return this.#images.get(key);
  }

  /**
   * Keeps an image, if there is room. Once full it stays as it is: in shuffled epochs the oldest
   * image is the one that is wanted next.
   */
  keep(key: string, image: CachedImage): void {
    if (this.#images.has(key)) return;
    if (image.data.byteLength > this.#room) {
      this.#room = 0;
      return;
    }
    this.#room -= image.data.byteLength;
    this.#images.set(key, image);
  }

  /** Counts images that were decoded. */
  count(decodings: number): void {
    this.#decodings += decodings;
  }

  /**
   * Says that these images are about to be decoded, so that nobody else decodes them meanwhile.
   * Wait for `others`, look again what was kept, decode the rest, call `done`.
   * Nobody waits in a circle: an announcement waits only for earlier ones.
   */
  announce(keys: readonly string[]): Announcement {
    if (!this.hasRoom) return { others: Promise.resolve(), done: () => {} };
    const others = Promise.all(new Set(keys.flatMap((key) => this.#announced.get(key) ?? [])));
    const own = new Set(keys.filter((key) => !this.#announced.has(key) && !this.#images.has(key)));
    let settle = (): void => {};
    const decoded = new Promise<void>((resolve) => {
      settle = resolve;
    });
    for (const key of own) this.#announced.set(key, decoded);
    const done = (): void => {
      for (const key of own) this.#announced.delete(key);
      settle();
    };
    return { others, done };
  }

  /** Lets go of all images; what is decoded from now on is kept again. */
  clear(): void {
    this.#images.clear();
    this.#room = this.#bytes;
  }
}

/** What an image is kept as depends on these. */
export interface Preparation {
  readonly preprocessing: Preprocessing;
  /** Default none: the centre crop. */
  readonly augmentation?: ImageAugmentation;
}

/**
 * The key of an image: what its source knows it by, and all that the result of
 * `ImageAugmenter.prepare` depends on.
 * Mean and standard deviation are not among that: they come after.
 * @param key of `ImageSource.keyOf`
 */
export function imageKey(key: string, { preprocessing, augmentation = {} }: Preparation): string {
  if (augmentation.randomResizedCrop !== undefined) return JSON.stringify([key]);
  const { resize, resizeMode = 'cover', crop, interpolation } = preprocessing;
  const sides = [resize.height, resize.width, crop.height, crop.width];
  const grey = isGrey(preprocessing) ? ['grey'] : [];
  return JSON.stringify([key, resizeMode, ...sides, interpolation, ...grey]);
}

/** A copy in shared memory, three channels. */
export function sharedImage(image: RgbImage): CachedImage {
  const { width, height } = image;
  const rgb = image.channels === 3 ? image : resizeImage(image, { width, height, interpolation: 'bilinear' });
  const data = new Uint8Array(new SharedArrayBuffer(width * height * 3));
  data.set(rgb.data);
  return { data, width, height };
}
