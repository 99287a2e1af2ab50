/**
 * The port that images come through: a list of images with their labels, and how they are read.
 * A folder on disk (`open-image-folder.ts`), an IDX file (`idx-images.ts`) and images in memory
 * (`memory-images.ts`) are sources. This file knows none of them, and nothing of Node.
 */
import { DiffrateError } from '../errors.ts';
import type { ImageAugmentation } from './augmentation.ts';
import type { DecodedImage } from './decoded-image.ts';
import type { DecodedImages } from './decoded-images.ts';
import type { ImageSlot } from './image-order.ts';
import type { LabelEvidence, Labelling } from './labels/evidence.ts';
import type { Preprocessing } from './preprocessing.ts';

/** One image of a source. */
export interface SourceImage {
  /** Its name, different from all others of the source: a path relative to the folder, with `/`. */
  readonly file: string;
  /** Class number; an image may have none though others of its source have one. */
  readonly label?: number;
}

/**
 * Images, wherever their pixels are. How files become pixels belongs to the source, so that all who
 * read it see the same. A copy with fewer `images` reads those alone.
 */
export interface ImageSource {
  /** What sentences call it: the path of a folder. */
  readonly name: string;
  readonly images: readonly SourceImage[];
  /** Whether images have labels; some of them may have none. */
  readonly labelled: boolean;
  /** Names of the classes, where labels count these. */
  readonly classes?: readonly string[];
  /** What says the classes of images until `resolveLabels` knows the network's. */
  readonly evidence?: LabelEvidence;
  /** Where the labels come from, where that is settled. */
  readonly labelling?: Labelling;
  /** What is to be said beside figures on these images, in a sentence. */
  readonly remark?: string;
  /**
   * A text that is the same only for the same images, decoded alike; they may be read for it. Of a
   * source with `digestOf` it says where the images are, not what is in them.
   */
  readonly identity: () => Promise<string>;
  /** Opens what reads batches. */
  readonly open: (options: ReadingOptions) => ImageReader;
  /**
   * One image as 8-bit RGB, `[height, width, 3 or 4]`.
   * @param wanted what a network reads of it; without this it is decoded whole, however large.
   * @throws {DiffrateError} that names the image and the reason, where it cannot be decoded.
   */
  readonly decode: (image: SourceImage, wanted?: Preprocessing) => Promise<DecodedImage>;
  /** A text that images of the same content alone share; without it they are decoded for that. */
  readonly digestOf?: (image: SourceImage) => Promise<string>;
  /** Size of an image's file in bytes, which is known without reading it. */
  readonly sizeOf?: (image: SourceImage) => Promise<number>;
  /**
   * What `DecodedImages` knows an image by, which differs where it is decoded otherwise; without it
   * decoded images are not kept there.
   */
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
  /** Of images that were read and are odd: clauses of which the image is the subject. */
  readonly warnings?: readonly { readonly slot: number; readonly warning: string }[] | undefined;
}

/**
 * Checks that a model has a class for every label. Unlabelled sources and models without a head
 * (0 classes) pass.
 * @throws {DiffrateError} that names the first image whose label is out of range.
 */
export function checkLabels({ images, name }: Pick<ImageSource, 'images' | 'name'>, classes: number): void {
  if (classes === 0) return;
  const wrong = images.find((image) => image.label !== undefined && image.label >= classes);
  if (wrong === undefined) return;
  const isShifted = wrong.label === classes && images.every(({ label }) => label === undefined || label > 0);
  throw new DiffrateError(
    `The label ${wrong.label} of '${wrong.file}' in '${name}' is out of range: ` +
      `the model has ${classes} classes, 0 to ${classes - 1}${isShifted ? '; if these labels count from 1, subtract 1' : ''}.`,
  );
}

/**
 * Checks that every image has a label, for work that compares with labels alone.
 * @throws {DiffrateError} where some have none.
 */
export function requireLabels({ images, name, labelled, labelling }: ImageSource, advice: string): void {
  const without = labelled ? images.filter(({ label }) => label === undefined) : images;
  const [first] = without;
  if (first === undefined) return;
  if (without.length < images.length) {
    throw new DiffrateError(
      `${without.length} of the ${images.length} images of '${name}' have no labels ('${first.file}'): add them; ${advice}.`,
    );
  }
  const how = labelling?.origin === 'none' ? `, ${labelling.how}` : '';
  throw new DiffrateError(`'${name}' has no labels${how}: ${advice}.`);
}
