/** What decoding an image file gives. */
import type { PixelBox, RgbImage } from './pillow-resize.ts';
import type { ImageSize } from './preprocessing.ts';

/** An image, perhaps at a reduced size, and perhaps with something to say of it. */
export interface DecodedImage extends RgbImage {
  /** Only where the pixels are fewer than those of the file. */
  readonly reduced?: ImageReduction | undefined;
  /** A clause of which the image is the subject: something odd, though it can be read. */
  readonly warning?: string | undefined;
}

/** How reduced pixels lie in the whole image. */
export interface ImageReduction {
  /** The size of the whole image, in pixels. */
  readonly whole: ImageSize;
  /** The part of the reduced image that shows it, in reduced pixels. */
  readonly box: PixelBox;
}
