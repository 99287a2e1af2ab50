/**
 * Grey images of coloured ones, with the arithmetic of Pillow's `convert('L')` (ITU-R 601-2 luma in
 * 16-bit fixed point). An image that is grey already keeps its values.
 */
import type { RgbImage } from './pillow-resize.ts';

/** Parts of red, green and blue; together 2¹⁶. */
const parts = [19595, 38470, 7471] as const;
const half = 0x8000;

/** Grey values `[height, width]`, 8 bits. */
export function greyValues({ data, width, height, channels }: RgbImage): Uint8Array {
  const [red, green, blue] = parts;
  const values = new Uint8Array(width * height);
  for (let pixel = 0, from = 0; pixel < values.length; pixel++, from += channels) {
    values[pixel] = (red * data[from]! + green * data[from + 1]! + blue * data[from + 2]! + half) >> 16;
  }
  return values;
}

/** The grey image with its value in all three channels. */
export function greyOf(image: RgbImage): RgbImage {
  const { width, height } = image;
  const data = new Uint8Array(3 * width * height);
  greyValues(image).forEach((value, pixel) => data.fill(value, 3 * pixel, 3 * pixel + 3));
  return { data, width, height, channels: 3 };
}
