/** Images that have files of their own, as a source: what a folder or a list of paths becomes. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { decodeImageFile } from './decoding/decode-image.ts';
import { checkDecoding, decodingIdentity } from './decoding/decoding-options.ts';
import type { DecodingOptions } from './decoding/decoding-options.ts';
import { openFolderReader } from './folder-reader.ts';
import type { ImageSource, SourceImage } from './image-source.ts';

/** What is known of image files, and how they become pixels. */
export interface ImageFileOptions extends DecodingOptions {
  /** Names of the classes that labels count. */
  readonly classes?: readonly string[] | undefined;
}

/**
 * A source of image files.
 * @param directory absolute path, below which the files are.
 * @param images their paths relative to it.
 */
export function imageFiles(
  directory: string,
  images: readonly SourceImage[],
  { classes, ...decoding }: ImageFileOptions = {},
): ImageSource {
  return {
    name: directory,
    images,
    labelled: images.some(({ label }) => label !== undefined),
    ...(classes && { classes }),
    ...(decoding.ignoreOrientation === true && { remark: lyingRemark }),
    ...readingFiles(directory, decoding),
  };
}

/** Of photos that were not turned. */
const lyingRemark =
  'Photos were left lying as their pixels are stored: transformers.js and browsers turn them upright by their EXIF orientation, so that figures there can differ.';

/** How the files below a directory are read. */
type ReadingFiles = Required<Pick<ImageSource, 'identity' | 'open' | 'decode' | 'digestOf' | 'sizeOf' | 'keyOf'>>;

/**
 * The members of a source that read files.
 * @param directory absolute path, below which the files are.
 * @throws {UsageError} where there is no decoder of that name.
 */
function readingFiles(directory: string, options: DecodingOptions): ReadingFiles {
  checkDecoding(options);
  const { decoder, ignoreOrientation } = options;
  const decoding = { decoder, ignoreOrientation };
  const difference = decodingIdentity(decoding);
  const pathOf = ({ file }: SourceImage): string => resolve(directory, file);
  const keyOf = (image: SourceImage): string => pathOf(image) + difference;
  return {
    identity: () => Promise.resolve(directory + difference),
    open: (reading) => openFolderReader({ sourceOf: pathOf, decoding, keyOf }, reading),
    decode: (image, wanted) => decodeImageFile(pathOf(image), decoding, wanted),
    digestOf: async (image) =>
      createHash('sha256')
        .update(await readFile(pathOf(image)))
        .digest('hex'),
    sizeOf: async (image) => (await stat(pathOf(image))).size,
    keyOf,
  };
}
