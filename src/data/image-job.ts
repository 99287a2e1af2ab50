/** What the image loader asks of its threads, and what they answer. */

import type { Preprocessing } from '../models/configuration.ts';
import type { ImageAugmentation } from './augmentation.ts';
import type { ImageDecoder } from './decode.ts';

/** The same for all jobs of a loader. */
export interface ImageWorkerSettings {
  readonly preprocessing: Preprocessing;
  readonly decoder: ImageDecoder;
  readonly augmentation: ImageAugmentation;
  readonly seed: number;
}

/**
 * A decoded image kept between epochs, RGB in memory that all threads share: the centre crop where only that is used,
 * the whole image where random crops are taken.
 */
export interface CachedImage {
  /** `[height, width, 3]` over a SharedArrayBuffer. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** One image of a batch. */
export interface ImageRequest {
  /** Absolute path. */
  readonly path: string;
  /** Position in the folder and epoch: what the image's random numbers are derived from. */
  readonly index: number;
  readonly epoch: number;
  readonly cached?: CachedImage;
}

/** One batch. */
export interface ImageJob {
  readonly images: readonly ImageRequest[];
  /** Whether decoded images are wanted back for the cache. */
  readonly keepDecoded: boolean;
}

/** One batch, loaded. `slot` counts the images of the job. */
export interface ImageJobResult {
  /** `[loaded images, 3, S, S]`, without those that failed. */
  readonly pixels: Float32Array;
  /** Whether each loaded image was flipped. */
  readonly flipped: readonly boolean[];
  readonly failures: readonly { readonly slot: number; readonly reason: string }[];
  readonly decoded: readonly { readonly slot: number; readonly image: CachedImage }[];
}
