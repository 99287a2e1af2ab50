/**
 * From a decoded image to a network's input as timm and torchvision evaluate it: short side (or, as Hugging Face's ViT, both
 * sides) to a given size, centre crop, 0…1, minus mean, over standard deviation, in float32 and NCHW.
 */

import type { Preprocessing } from '../models/configuration.ts';
import { resizeImage } from './pillow-resize.ts';
import type { Region, RgbImage } from './pillow-resize.ts';

/** Python's `round`: to the nearest integer, halves to the even one. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const fraction = value - below;
  if (fraction !== 0.5) return fraction < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** The size after torchvision's `Resize(shortSide)`, in pixels: the long side keeps the ratio, truncated. */
export function resizedSize(width: number, height: number, shortSide: number): { width: number; height: number } {
  const long = Math.trunc((shortSide * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: shortSide, height: long } : { width: long, height: shortSide };
}

/** Where torchvision's `CenterCrop(size)` lies in an image of `width × height` pixels (not smaller than `size`). */
export function centreCrop(width: number, height: number, size: number): Region {
  return {
    left: roundHalfEven((width - size) / 2),
    top: roundHalfEven((height - size) / 2),
    width: size,
    height: size,
  };
}

/** The evaluation view of an image: resized and centre-cropped, `[cropSize, cropSize, 3]`, 8 bits. */
export function resizeAndCrop(image: RgbImage, preprocessing: Preprocessing): RgbImage {
  const { resizeShortSide, resizeMode, cropSize, interpolation } = preprocessing;
  const { width, height } =
    resizeMode === 'square'
      ? { width: resizeShortSide, height: resizeShortSide }
      : resizedSize(image.width, image.height, resizeShortSide);
  return resizeImage(image, { width, height, interpolation, window: centreCrop(width, height, cropSize) });
}

/** Writes an 8-bit square `[S, S, 3]` image as floats `[3, S, S]` into `target` at `offset`, mirrored if `flip`. */
export type Normalizer = (image: RgbImage, target: Float32Array, offset: number, flip?: boolean) => void;

/**
 * `(value / 255 − mean) / std`, rounded to float32 after each step as PyTorch does; a table of 256 values per channel.
 */
export function createNormalizer(preprocessing: Preprocessing): Normalizer {
  const tables = [0, 1, 2].map((channel) => {
    const mean = Math.fround(preprocessing.mean[channel] ?? 0);
    const std = Math.fround(preprocessing.std[channel] ?? 1);
    return Float32Array.from({ length: 256 }, (_, value) => Math.fround(Math.fround(value / 255) - mean) / std);
  });
  const [red, green, blue] = tables as [Float32Array, Float32Array, Float32Array];
  return (image, target, offset, flip = false) => {
    const { data, width, height, channels } = image;
    const plane = width * height;
    const step = flip ? -channels : channels;
    let to = offset;
    for (let y = 0; y < height; y++) {
      let from = (y * width + (flip ? width - 1 : 0)) * channels;
      for (let x = 0; x < width; x++) {
        target[to] = red[data[from]!]!;
        target[to + plane] = green[data[from + 1]!]!;
        target[to + 2 * plane] = blue[data[from + 2]!]!;
        to += 1;
        from += step;
      }
    }
  };
}

/** One decoded image as a network's input `[3, cropSize, cropSize]`. */
export function preprocessImage(image: RgbImage, preprocessing: Preprocessing): Float32Array {
  const pixels = new Float32Array(3 * preprocessing.cropSize ** 2);
  createNormalizer(preprocessing)(resizeAndCrop(image, preprocessing), pixels, 0);
  return pixels;
}
