/**
 * Random erasing (Zhong et al., 2020) in timm's `pixel` mode, on normalised images.
 * A rectangle becomes normal noise with mean 0 and standard deviation 1 in every pixel and channel.
 */

import type { Region } from './pillow-resize.ts';
import { roundHalfEven } from './preprocess.ts';
import type { ImageSize } from './preprocessing.ts';
import type { RandomGenerator } from './random.ts';

/** Share of the image's area, and height over width. */
const SMALLEST_AREA = 0.02;
const LARGEST_AREA = 1 / 3;
const SMALLEST_ASPECT = 0.3;
const LARGEST_ASPECT = 1 / SMALLEST_ASPECT;

/**
 * Draws the rectangle as timm does: ten tries, each of which may turn out too large.
 * @returns undefined if nothing is erased.
 */
export function drawErasing(
  random: RandomGenerator,
  width: number,
  height: number,
  probability: number,
): Region | undefined {
  if (random.uniform() >= probability) return undefined;
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = random.uniform(SMALLEST_AREA, LARGEST_AREA) * width * height;
    const aspect = Math.exp(random.uniform(Math.log(SMALLEST_ASPECT), Math.log(LARGEST_ASPECT)));
    const erasedHeight = roundHalfEven(Math.sqrt(area * aspect));
    const erasedWidth = roundHalfEven(Math.sqrt(area / aspect));
    if (erasedWidth >= width || erasedHeight >= height) continue;
    const top = random.integer(height - erasedHeight + 1);
    const left = random.integer(width - erasedWidth + 1);
    return { left, top, width: erasedWidth, height: erasedHeight };
  }
  return undefined;
}

/**
 * Fills a rectangle of the image `[channels, height, width]` that begins at `offset` with noise.
 */
export function erase(
  random: RandomGenerator,
  pixels: Float32Array,
  offset: number,
  size: ImageSize & { readonly channels: number },
  region: Region,
): void {
  for (let channel = 0; channel < size.channels; channel++) {
    for (let y = region.top; y < region.top + region.height; y++) {
      const start = offset + (channel * size.height + y) * size.width + region.left;
      for (let index = start; index < start + region.width; index++) pixels[index] = random.normal();
    }
  }
}
