/** One image of a folder as 8-bit RGB, wherever its pixels are: in a file of its own or among those of an IDX file. */

import { decodeImageFile } from './decode.ts';
import type { ImageDecoder } from './decode.ts';
import { colourImage } from './grey-images.ts';
import { imagePath } from './image-folder.ts';
import type { FolderImage, ImageFolder } from './image-folder.ts';
import type { RgbImage } from './pillow-resize.ts';

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
