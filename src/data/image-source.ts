/**
 * The port that images come through: a list of images with their labels, and how they are read.
 * A folder on disk (`open-image-folder.ts`), an IDX file (`idx-images.ts`) and images in memory
 * (`memory-images.ts`) are sources. This file knows none of them, and nothing of Node.
 */
import { DiffrateError } from '../errors.ts';
import type { ImageAugmentation } from './augmentation.ts';
import type { DecodedImages } from './decoded-images.ts';
import type { ImageDecoder } from './image-decoder.ts';
import type { ImageSlot } from './image-order.ts';
import type { RgbImage } from './pillow-resize.ts';
import type { Preprocessing } from './preprocessing.ts';

/** One image of a source. */
export interface SourceImage {
  /** Its name, different from all others of the source: a path relative to the folder, with `/`. */
  readonly file: string;
  /** Class index, where the source is labelled. */
  readonly label?: number;
}

/** Images, wherever their pixels are. A copy with fewer `images` reads those alone. */
export interface ImageSource {
  /** What sentences call it: the path of a folder. */
  readonly name: string;
  readonly images: readonly SourceImage[];
  readonly labelled: boolean;
  /** Names of the classes, where the labels come from named classes. */
  readonly classes?: readonly string[];
  /** A text that is the same only for the same images; they may be read for it. */
  readonly identity: () => Promise<string>;
  /** Opens what reads batches. */
  readonly open: (options: ReadingOptions) => ImageReader;
  /**
   * One image as 8-bit RGB, `[height, width, 3 or 4]`.
   * @throws {DiffrateError} that names the image and the reason, where it cannot be decoded.
   */
  readonly decode: (image: SourceImage, decoder?: ImageDecoder) => Promise<RgbImage>;
  /** What `DecodedImages` knows an image by; without it decoded images are not kept there. */
  readonly keyOf?: (image: SourceImage) => string;
}

/** How the images of a batch are prepared. */
export interface ReadingOptions {
  /** Those that are read; positions in batches count them. */
  readonly images: readonly SourceImage[];
  readonly preprocessing: Preprocessing;
  readonly augmentation: ImageAugmentation;
  /** Of the augmentation. */
  readonly seed: number;
  /** Default `exact`. */
  readonly decoder?: ImageDecoder | undefined;
  /** Threads, where the source uses any. */
  readonly workers?: number | undefined;
  /** Where decoded images are kept, and shared with others that read the same images. */
  readonly decoded?: DecodedImages | undefined;
}

/** Reads batches of a source; close it. */
export interface ImageReader {
  /** Batches that it can work on at the same time. */
  readonly parallel: number;
  /**
   * Reads the images at these places of a batch. One that cannot be decoded is told of and left
   * out.
   * @throws {DiffrateError} where nothing can be read any more.
   */
  read(slots: readonly ImageSlot[]): Promise<ReadImages>;
  /** Lets go of threads and memory. */
  close(): Promise<void>;
}

/** Images of a batch as a network gets them. `slot` counts the places that were asked for. */
export interface ReadImages {
  /** Normalised, `[loaded images, 3, H, W]`, without those that failed. */
  readonly pixels: Float32Array;
  /** Whether each loaded image was flipped. */
  readonly flipped: readonly boolean[];
  readonly failures: readonly { readonly slot: number; readonly reason: string }[];
}

/**
 * Checks that a model has a class for every label. Unlabelled sources and models without a head
 * (0 classes) pass.
 * @throws {DiffrateError} that names the first image whose label is out of range.
 */
export function checkLabels({ images, name }: Pick<ImageSource, 'images' | 'name'>, classes: number): void {
  if (classes === 0) return;
  const wrong = images.find((image) => image.label !== undefined && image.label >= classes);
  if (wrong) {
    throw new DiffrateError(
      `The label ${wrong.label} of '${wrong.file}' in '${name}' is out of range: ` +
        `the model has ${classes} classes, 0 to ${classes - 1}.`,
    );
  }
}
