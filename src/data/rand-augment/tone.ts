/**
 * RandAugment's operations on single values: each byte is looked up in a table of 256, as Pillow's
 * `ImageOps.invert`, `posterize`, `solarize`, `autocontrast` and `equalize` and timm's
 * `solarize_add` do.
 */

import type { RgbImage } from '../pillow-resize.ts';

/** Every value of one image through a table, one for all channels or one for each. */
export function lookUp(image: RgbImage, red: Uint8Array, green: Uint8Array = red, blue: Uint8Array = red): RgbImage {
  const { data, width, height } = image;
  const result = new Uint8Array(data.length);
  for (let index = 0; index < data.length; index += 3) {
    result[index] = red[data[index]!]!;
    result[index + 1] = green[data[index + 1]!]!;
    result[index + 2] = blue[data[index + 2]!]!;
  }
  return { data: result, width, height, channels: 3 };
}

function table(rule: (value: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, value) => Math.min(Math.max(Math.trunc(rule(value)), 0), 255));
}

/** The negative. */
export function invert(image: RgbImage): RgbImage {
  return lookUp(
    image,
    table((value) => 255 - value),
  );
}

/** Keeps the highest `bits` bits of every value, 0 to 8. */
export function posterize(image: RgbImage, bits: number): RgbImage {
  const kept = 256 - 2 ** (8 - bits);
  return lookUp(
    image,
    table((value) => value & kept),
  );
}

/** Inverts values from `threshold` on. */
export function solarize(image: RgbImage, threshold: number): RgbImage {
  return lookUp(
    image,
    table((value) => (value < threshold ? value : 255 - value)),
  );
}

/** Adds to values below 128. */
export function solarizeAdd(image: RgbImage, addition: number): RgbImage {
  return lookUp(
    image,
    table((value) => (value < 128 ? value + addition : value)),
  );
}

/** Stretches each channel so that its darkest value becomes 0 and its brightest 255. */
export function autocontrast(image: RgbImage): RgbImage {
  return lookUpByHistogram(image, (histogram) => {
    const darkest = histogram.findIndex((count) => count > 0);
    const brightest = histogram.findLastIndex((count) => count > 0);
    if (brightest <= darkest) return table((value) => value);
    const scale = 255 / (brightest - darkest);
    const offset = -darkest * scale;
    return table((value) => value * scale + offset);
  });
}

/** Gives each channel a histogram as even as can be. */
export function equalize(image: RgbImage): RgbImage {
  return lookUpByHistogram(image, (histogram) => {
    const present = histogram.filter((count) => count > 0);
    const pixels = (image.data.length / 3) | 0;
    const step = Math.floor((pixels - (present.at(-1) ?? 0)) / 255);
    if (present.length <= 1 || step === 0) return table((value) => value);
    let sum = Math.floor(step / 2);
    return table((value) => {
      const level = Math.floor(sum / step);
      sum += histogram[value]!;
      return level;
    });
  });
}

function lookUpByHistogram(image: RgbImage, tableOf: (histogram: Uint32Array) => Uint8Array): RgbImage {
  const histograms = [new Uint32Array(256), new Uint32Array(256), new Uint32Array(256)] as const;
  const [red, green, blue] = histograms;
  const { data } = image;
  for (let index = 0; index < data.length; index += 3) {
    red[data[index]!]!++;
    green[data[index + 1]!]!++;
    blue[data[index + 2]!]!++;
  }
  return lookUp(image, tableOf(red), tableOf(green), tableOf(blue));
}
