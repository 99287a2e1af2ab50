/** Images in whatever form their user has them: a folder, files, arrays in memory. */
import { DiffrateError, UsageError } from '../errors.ts';
import { imageFiles } from './image-files.ts';
import type { ImageSource } from './image-source.ts';
import { memoryImages } from './memory-images.ts';
import type { MemoryImage } from './memory-images.ts';
import { checkLimit, openImageFolder } from './open-image-folder.ts';
import type { OpenImageFolderOptions } from './open-image-folder.ts';

/**
 * A path of an image folder or an IDX file, paths of image files, images in memory, or a source
 * that is open already.
 */
export type ImageInput = string | readonly string[] | readonly MemoryImage[] | ImageSource;

/**
 * Opens images.
 * @param options of a folder; `limit` counts for files and memory as well.
 * @throws {DiffrateError} where there are none, or something is wrong with the folder.
 */
export async function openImages(input: ImageInput, options: OpenImageFolderOptions = {}): Promise<ImageSource> {
  if (typeof input === 'string') return openImageFolder(input, options);
  if (!isList(input)) return requireSource(input);
  checkLimit(options.limit);
  const first = input.slice(0, options.limit);
  if (first.length === 0) throw new DiffrateError('The list of images is empty: give at least one.');
  const files = first.filter((image) => typeof image === 'string');
  if (files.length === 0) return memoryImages(first.filter((image) => typeof image !== 'string'));
  if (files.length === first.length)
    return imageFiles(
      process.cwd(),
      files.map((file) => ({ file })),
    );
  throw new DiffrateError('The list of images has both paths and images in memory: give one kind.');
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
