/** One image of a source as a network sees it, for pictures. */
import { imageKey, sharedImage } from './decoded-images.ts';
import type { DecodedImages } from './decoded-images.ts';
import type { ImageSource, SourceImage } from './image-source.ts';
import type { RgbImage } from './pillow-resize.ts';
import { resizeAndCrop } from './preprocess.ts';
import type { Preprocessing } from './preprocessing.ts';

/** How one image is read. */
export interface ReadImageOptions {
  /** Where the image may be decoded already, and is kept for those that want it next. */
  readonly decoded?: DecodedImages;
}

/**
 * One image as a network sees it, before it is normalised: resized and centre-cropped,
 * `[height, width, 3]`, 8 bits. It may be shared: do not write to it.
 * @throws DiffrateError naming the file and the reason, if it cannot be decoded.
 */
export async function readCroppedImage(
  source: ImageSource,
  image: SourceImage,
  preprocessing: Preprocessing,
  { decoded }: ReadImageOptions = {},
): Promise<RgbImage> {
  const read = async (): Promise<RgbImage> => resizeAndCrop(await source.decode(image, preprocessing), preprocessing);
  if (decoded === undefined || source.keyOf === undefined) return read();
  const key = imageKey(source.keyOf(image), { preprocessing });
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
