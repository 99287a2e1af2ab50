/**
 * `--data`, how its images are read, and what is said of them: one list for every command. Labels
 * are settled when the network is loaded (`labelledFor`).
 */
import { isAbsolute, relative } from 'node:path';
import { openImageFolder } from '../data/open-image-folder.ts';
import type { ImageSource } from '../data/image-source.ts';
import { imageDecoders } from '../data/decoding/decoding-options.ts';
import type { DecodingOptions, ImageDecoder } from '../data/decoding/decoding-options.ts';
import { imageLine } from '../data/labels/describe-labels.ts';
import type { ImageFacts } from '../data/labels/describe-labels.ts';
import { imagesFor } from '../networks/model.ts';
import type { Model } from '../networks/model.ts';
import { integerOption, options } from './options.ts';
import { oneLine, printWarning } from './output.ts';

// citty wants lists that may be changed.
const decoders: ImageDecoder[] = [...imageDecoders];

/** Definitions of how image files become pixels. */
export const decodingOptions = {
  decoder: {
    type: 'enum',
    options: decoders,
    description: 'exact decodes large JPEGs whole; auto, the default, at a reduced size',
  },
  'ignore-orientation': {
    type: 'boolean',
    description: 'leave photos lying as they are stored, as torchvision does, and not turn them by their EXIF',
  },
} as const;

/** Definitions, which every command that reads images has. */
export const imageOptions = {
  labels: {
    type: 'string',
    valueHint: 'auto|folders|none|FILE',
    description:
      'where labels come from: auto, a table of --data; folders, in the order of their names as in torchvision; none',
    default: 'auto',
  },
  limit: options.limit,
  strict: options.strict,
  ...decodingOptions,
  'dry-run': {
    type: 'boolean',
    description: 'read everything and say what would be done, and neither run nor write anything',
  },
} as const;

/** What `decodingOptions` gives. */
export interface GivenDecodingOptions {
  readonly decoder?: ImageDecoder | undefined;
  readonly 'ignore-orientation'?: boolean | undefined;
}

/** What the definitions give. */
export interface GivenImageOptions extends GivenDecodingOptions {
  readonly labels?: string | undefined;
  readonly limit?: string | undefined;
  readonly strict?: boolean | undefined;
}

/** What the library calls them. */
export function decodingOf(given: GivenDecodingOptions): DecodingOptions {
  return { decoder: given.decoder, ignoreOrientation: given['ignore-orientation'] };
}

/** What `--json` says of images. */
export interface ImageReport {
  /** Images of --data; `null` without them. */
  readonly dataset: ImageFacts | null;
  /** Images of --eval-data; `null` where there are none of their own. */
  readonly evaluationDataset: ImageFacts | null;
}

/** Opens the folder that the command line names. */
export async function resolveFolder(data: string, given: GivenImageOptions): Promise<ImageSource> {
  const limit = integerOption('limit', given.limit);
  return openImageFolder(data, {
    strict: given.strict,
    labels: given.labels,
    onWarning: printWarning,
    ...decodingOf(given),
    ...(limit === undefined ? {} : { limit }),
  });
}

/** Opens a second folder, by the same rules; a table named by `--labels` is of the first one. */
export async function resolveSecondFolder(data: string, given: GivenImageOptions): Promise<ImageSource> {
  const labels = given.labels === 'folders' || given.labels === 'none' ? given.labels : 'auto';
  return resolveFolder(data, { ...given, labels });
}

/**
 * The images with the labels that a model knows them by; one line on standard error says how many.
 * @param what the images are for, in that line
 */
export function labelledFor(
  model: Pick<Model, 'network' | 'labels'>,
  folder: ImageSource,
  given: GivenImageOptions,
  what?: string,
): ImageSource {
  const images = imagesFor(model, folder, { strict: given.strict, onWarning: printWarning });
  sayImages(images, what);
  return images;
}

/** How many images and labels, and where from; what lies below this folder is named from here. */
export function imagesInWords(images: ImageSource): string {
  const path = relative(process.cwd(), images.name);
  const isBelow = path !== '' && !path.startsWith('..') && !isAbsolute(path);
  return imageLine(isBelow ? { ...images, name: path } : images);
}

/** One line on standard error: how many images and labels there are, and where from. */
export function sayImages(images: ImageSource, what = 'data'): void {
  process.stderr.write(`${what}: ${oneLine(imagesInWords(images))}\n`);
}
