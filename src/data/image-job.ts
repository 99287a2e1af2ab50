/** What the image loader asks of its threads, and what they answer. */

import type { ImageAugmentation } from './augmentation.ts';
import type { DecodingOptions } from './decoding/decoding-options.ts';
import type { ReadImages } from './image-source.ts';
import type { CachedImage } from './decoded-images.ts';
import type { GreyImages } from './grey-images.ts';
import type { ImageSlot } from './image-order.ts';
import type { Preprocessing } from './preprocessing.ts';

/** The same for all jobs of a loader. */
export interface ImageWorkerSettings {
  readonly preprocessing: Preprocessing;
  readonly decoding: DecodingOptions;
  readonly augmentation: ImageAugmentation;
  readonly seed: number;
  /** Pixels of an IDX file's images, shared and not copied. */
  readonly pixels?: GreyImages;
}

/** One image of a batch; its place in the order is what its random numbers are derived from. */
export interface ImageRequest extends ImageSlot {
  /** Absolute path of the image's file, or its place in the settings' `pixels`. */
  readonly source: string | number;
  readonly cached?: CachedImage;
}

/** One batch. */
export interface ImageJob {
  readonly images: readonly ImageRequest[];
  /** Whether decoded images are wanted back for the cache. */
  readonly keepDecoded: boolean;
}

/** One batch, loaded; `slot` counts the images of the job. */
export interface ImageJobResult extends ReadImages {
  /** For the cache, if it was asked for: each image that was decoded, with one of its slots. */
  readonly decoded: readonly { readonly slot: number; readonly image: CachedImage }[];
  /** How many images were decoded. */
  readonly decodings: number;
}
