/**
 * Undecoded grey images of one size, one after the other in memory that threads share: what an IDX
 * file holds.
 */

import type { RgbImage } from './pillow-resize.ts';

/** The images of one file. */
export interface GreyImages {
  /** `[count, height, width]`, over a SharedArrayBuffer. */
  readonly data: Uint8Array;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/** Image `position`, counted from 0, in colour: red, green and blue are equal. */
export function colourImage(images: GreyImages, position: number): RgbImage {
  const { width, height } = images;
  const pixels = width * height;
  const data = new Uint8Array(pixels * 3);
  const start = position * pixels;
  for (let pixel = 0, to = 0; pixel < pixels; pixel++, to += 3) {
    const value = images.data[start + pixel]!;
    data[to] = value;
    data[to + 1] = value;
    data[to + 2] = value;
  }
  return { data, width, height, channels: 3 };
}
