/** `IMAGE…` of `diffrate show`: image files, image folders, or one IDX file. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DecodingOptions } from '../data/decoding/decoding-options.ts';
import { openImageFolder } from '../data/open-image-folder.ts';
import { imageFiles } from '../data/image-files.ts';
import type { ImageSource } from '../data/image-source.ts';
import { DiffrateError, UsageError } from '../errors.ts';
import { printWarning } from './output.ts';

/** MNIST's naming, and anything packed, which no image file is. */
const idxFile = /(\.gz|\.idx|ubyte)$/i;

/** What is shown. */
export interface ShownImages {
  readonly folder: ImageSource;
  /**
   * Whether each image was named: one that cannot be decoded is then an error and not a warning.
   */
  readonly named: boolean;
}

/**
 * Lists the images.
 * @param limit images per folder or IDX file
 * @param decoding how files become pixels
 * @throws DiffrateError if one is not there
 * @throws UsageError if an IDX file is not alone
 */
export async function resolveImages(
  paths: readonly string[],
  limit: number,
  decoding: DecodingOptions,
): Promise<ShownImages> {
  const [only] = paths;
  const open = (path: string): Promise<ImageSource> =>
    openImageFolder(path, { ...decoding, limit, labels: 'none', onWarning: printWarning });
  if (only !== undefined && paths.length === 1 && ((await isFolder(only)) || idxFile.test(only))) {
    return { folder: await open(only), named: false };
  }
  const files: string[] = [];
  let named = true;
  for (const path of paths) {
    if (await isFolder(path)) {
      const { name, images } = await open(path);
      files.push(...images.map(({ file }) => join(name, file)));
      named = false;
    } else if (idxFile.test(path)) {
      throw new UsageError(`${path} is an IDX file, which is shown by itself: leave out the other images.`);
    } else {
      files.push(path);
    }
  }
  const images = files.map((file) => ({ file }));
  return { folder: imageFiles(process.cwd(), images, decoding), named };
}

/** @throws DiffrateError if there is nothing of that name */
async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw new DiffrateError(`There is no image ${path}: give image files, an image folder or an IDX file.`);
  }
  return found.isDirectory();
}
