/** One image of a folder as 8-bit RGB, wherever its pixels are: in a file of its own or among those of an IDX file. */

import { decodeImageFile } from './decode.ts';
import type { ImageDecoder } from './decode.ts';
import { imageKey, sharedImage } from './decoded-images.ts';
import type { DecodedImages } from './decoded-images.ts';
import { colourImage } from './grey-images.ts';
import { imagePath } from './open-image-folder.ts';
import type { FolderImage, ImageFolder } from './image-folder.ts';
import type { RgbImage } from './pillow-resize.ts';
import { resizeAndCrop } from './preprocess.ts';
import type { Preprocessing } from './preprocessing.ts';

/**
 * Reads one image.
 * @throws DiffrateError naming the file and the reason, if it cannot be decoded.
 */
export async function readImage(
  folder: ImageFolder,
  image: FolderImage,
  decoder: ImageDecoder = 'exact',
): Promise<RgbImage> {
  if (folder.pixels !== undefined && image.position !== undefined) return colourImage(folder.pixels, image.position);
  return decodeImageFile(imagePath(folder, image), decoder);
}

/** How one image is read. */
export interface ReadImageOptions {
  /** Default `exact`. */
  readonly decoder?: ImageDecoder;
  /** Where the image may be decoded already, and is kept for those that want it next. */
  readonly decoded?: DecodedImages;
}

/**
 * One image as a network sees it, before it is normalised: resized and centre-cropped, `[height, width, 3]`, 8 bits.
 * It may be shared: do not write to it.
 * @throws DiffrateError naming the file and the reason, if it cannot be decoded.
 */
export async function readCroppedImage(
  folder: ImageFolder,
  image: FolderImage,
  preprocessing: Preprocessing,
  { decoder = 'exact', decoded }: ReadImageOptions = {},
): Promise<RgbImage> {
  const read = async (): Promise<RgbImage> => resizeAndCrop(await readImage(folder, image, decoder), preprocessing);
  if (decoded === undefined || folder.pixels !== undefined) return read();
  const key = imageKey(imagePath(folder, image), { preprocessing, decoder });
  const announcement = decoded.announce([key]);
  try {
    await announcement.others;
    const known = decoded.get(key);
    if (known !== undefined) return { ...known, channels: 3 };
    const cropped = await read();
    decoded.count(1);
    if (decoded.hasRoom) decoded.keep(key, sharedImage(cropped));
    return cropped;
  } finally {
    announcement.done();
  }
}
