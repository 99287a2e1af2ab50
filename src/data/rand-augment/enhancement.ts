/**
 * RandAugment's colour, contrast, brightness and sharpness: Pillow's `ImageEnhance`, which blends
 * the image with one that lacks the property. Factor 0 is without it, 1 the image itself, above 1
 * more of it.
 */

import type { RgbImage } from '../pillow-resize.ts';
import { lookUp } from './tone.ts';

/** Blends with the image in grey. */
export function adjustColour(image: RgbImage, factor: number): RgbImage {
  const blend = createBlend(factor);
  const { data, width, height } = image;
  const result = new Uint8Array(data.length);
  for (let index = 0; index < data.length; index += 3) {
    const grey = luminance(data, index);
    result[index] = blend(grey, data[index]!);
    result[index + 1] = blend(grey, data[index + 1]!);
    result[index + 2] = blend(grey, data[index + 2]!);
  }
  return { data: result, width, height, channels: 3 };
}

/** Blends with the mean of the image in grey. */
export function adjustContrast(image: RgbImage, factor: number): RgbImage {
  const { data } = image;
  let sum = 0;
  for (let index = 0; index < data.length; index += 3) sum += luminance(data, index);
  return blendWithConstant(image, Math.trunc(sum / (data.length / 3) + 0.5), factor);
}

/** Blends with black. */
export function adjustBrightness(image: RgbImage, factor: number): RgbImage {
  return blendWithConstant(image, 0, factor);
}

/**
 * Blends with the image smoothed: 3×3 weights of 1, the middle 5, over 13; the outermost pixels are
 * left.
 */
export function adjustSharpness(image: RgbImage, factor: number): RgbImage {
  const blend = createBlend(factor);
  const { data, width, height } = image;
  const result = Uint8Array.from(data);
  const stride = width * 3;
  for (let y = 1; y < height - 1; y++) {
    for (let index = y * stride + 3; index < (y + 1) * stride - 3; index++) {
      const above = index - stride;
      const below = index + stride;
      const sum =
        data[above - 3]! +
        data[above]! +
        data[above + 3]! +
        data[index - 3]! +
        5 * data[index]! +
        data[index + 3]! +
        data[below - 3]! +
        data[below]! +
        data[below + 3]!;
      // 13 is odd: a sum never lies half-way between two values.
      result[index] = blend(((2 * sum + 13) / 26) | 0, data[index]!);
    }
  }
  return { data: result, width, height, channels: 3 };
}

/** Pillow's conversion from RGB to L: ITU-R 601-2 in 16-bit fixed point. */
function luminance(data: RgbImage['data'], index: number): number {
  return (data[index]! * 19595 + data[index + 1]! * 38470 + data[index + 2]! * 7471 + 0x8000) >> 16;
}

function blendWithConstant(image: RgbImage, degenerate: number, factor: number): RgbImage {
  const blend = createBlend(factor);
  return lookUp(
    image,
    Uint8Array.from({ length: 256 }, (_, value) => blend(degenerate, value)),
  );
}

/**
 * Pillow's `Image.blend`: `degenerate + factor·(value − degenerate)` in float32, clipped and
 * truncated.
 */
function createBlend(factor: number): (degenerate: number, value: number) => number {
  const products = Float32Array.from({ length: 511 }, (_, index) => Math.fround(factor) * (index - 255));
  return (degenerate, value) => {
    const blended = Math.fround(degenerate + products[value - degenerate + 255]!);
    return blended <= 0 ? 0 : blended >= 255 ? 255 : blended | 0;
  };
}
