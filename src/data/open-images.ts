/** Images in whatever form their user has them: a folder, files, arrays in memory. */
import { DiffrateError, UsageError } from '../errors.ts';
import { checkDecoding } from './decoding/decoding-options.ts';
import type { DecodingOptions } from './decoding/decoding-options.ts';
import { imageFiles } from './image-files.ts';
import { spreadSample } from './image-sample.ts';
import type { ImageSource } from './image-source.ts';
import { memoryImages } from './memory-images.ts';
import type { MemoryImage } from './memory-images.ts';
import { requireKnownOptions } from '../options/known-options.ts';
import { checkLimit, imageOptionNames, openImageFolder } from './open-image-folder.ts';
import type { OpenImageFolderOptions } from './open-image-folder.ts';

/**
 * A path of an image folder or an IDX file, paths of image files, images in memory, or a source
 * that is open already.
 */
export type ImageInput = string | readonly string[] | readonly MemoryImage[] | ImageSource;

/**
 * Opens images.
 * @param options of a folder; `limit` counts for files and memory as well, and so do `labels` that
 *   are `none`, also for a source; `decoder` and `ignoreOrientation` are for files.
 * @throws {UsageError} where an option is unknown or of no use.
 * @throws {DiffrateError} where there are none, or something is wrong with the folder.
 */
export async function openImages(input: ImageInput, options: OpenImageFolderOptions = {}): Promise<ImageSource> {
  if (typeof input === 'string') return openImageFolder(input, options);
  requireKnownOptions(options, imageOptionNames, 'opening of images');
  checkLimit(options.limit);
  checkDecoding(options);
  if (!isList(input)) {
    requireNoDecoding(options);
    return selected(requireSource(input), options);
  }
  if (input.length === 0) throw new DiffrateError('The list of images is empty: give at least one.');
  return selected(openList(input, options), options);
}

/** Some of the images, with their labels or without. */
function selected(source: ImageSource, { labels = 'auto', limit }: OpenImageFolderOptions): ImageSource {
  const images = limit === undefined ? source.images : spreadSample(source, limit);
  if (labels === 'auto') return limit === undefined ? source : { ...source, images };
  if (labels !== 'none')
    throw new UsageError('A list of images or a source has no folders and no table: give `labels` as auto or none.');
  const labelling = { origin: 'none', how: 'as was asked for' } as const;
  const { evidence: _, ...others } = source;
  return { ...others, images: images.map(({ file }) => ({ file })), labelled: false, labelling };
}

function openList(input: readonly string[] | readonly MemoryImage[], decoding: DecodingOptions): ImageSource {
  const files = input.filter((image) => typeof image === 'string');
  if (files.length === 0) return memoryImages(input.filter((image) => typeof image !== 'string'));
  if (files.length < input.length)
    throw new DiffrateError('The list of images has both paths and images in memory: give one kind.');
  const images = files.map((file) => ({ file }));
  const labelling = { origin: 'none', how: 'as a list of files has none' } as const;
  return { ...imageFiles(process.cwd(), images, decoding), labelling };
}

/** A source that is open already keeps the way in which it decodes. */
function requireNoDecoding({ decoder, ignoreOrientation }: DecodingOptions): void {
  if (decoder === undefined && ignoreOrientation === undefined) return;
  throw new UsageError(
    '`decoder` and `ignoreOrientation` are for paths of images, not for a source that is open: open it with them.',
  );
}

/** For callers without types. */
function requireSource(input: Exclude<ImageInput, string>): ImageSource {
  if (typeof input === 'object' && input !== null && 'open' in input) return input;
  throw new UsageError(
    'Images must be the path of a folder, a list of paths, a list of images in memory ({ data, width, height }), or a source.',
  );
}

const isList = (input: Exclude<ImageInput, string>): input is readonly string[] | readonly MemoryImage[] =>
  Array.isArray(input);
