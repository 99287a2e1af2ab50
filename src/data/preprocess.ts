/**
 * From a decoded image to a network's input as timm and torchvision evaluate it. It is resized and
 * centre-cropped, brought to 0…1, less the mean, over the standard deviation, in float32 and NCHW.
 */

import type { DecodedImage } from './decoded-image.ts';
import { greyOf, greyValues } from './grey-conversion.ts';
import { resizeImage } from './pillow-resize.ts';
import type { Region, RgbImage } from './pillow-resize.ts';
import { isGrey, isSquare, valuesPerImage } from './preprocessing.ts';
import type { ImageSize, Preprocessing } from './preprocessing.ts';

/** Python's `round`: to the nearest integer, halves to the even one. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const fraction = value - below;
  if (fraction !== 0.5) return fraction < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** The size of an image after resizing and before the crop, in pixels. */
export function resizedSize(image: ImageSize, preprocessing: Pick<Preprocessing, 'resize' | 'resizeMode'>): ImageSize {
  const { resize, resizeMode } = preprocessing;
  if (resizeMode === 'stretch') return resize;
  const { height, width } = image;
  if (isSquare(resize)) {
    const short = resize.width;
    const long = Math.trunc((short * Math.max(width, height)) / Math.min(width, height));
    return width <= height ? { height: long, width: short } : { height: short, width: long };
  }
  const ratio = Math.min(height / resize.height, width / resize.width);
  return { height: roundHalfEven(height / ratio), width: roundHalfEven(width / ratio) };
}

/**
 * Where torchvision's `CenterCrop` lies in an image, no side of which is smaller than that of the
 * crop.
 */
export function centreCrop(image: ImageSize, crop: ImageSize): Region {
  return {
    left: roundHalfEven((image.width - crop.width) / 2),
    top: roundHalfEven((image.height - crop.height) / 2),
    width: crop.width,
    height: crop.height,
  };
}

/**
 * The evaluation view of an image: resized and centre-cropped, `[crop height, crop width, 3]`, 8
 * bits. An image that was decoded at a reduced size is cropped where the whole one would be. For a
 * network of one channel it becomes grey first, so that all three are equal.
 */
export function resizeAndCrop(image: DecodedImage, preprocessing: Preprocessing): RgbImage {
  const { crop, interpolation } = preprocessing;
  const { width, height } = resizedSize(image.reduced?.whole ?? image, preprocessing);
  const window = centreCrop({ width, height }, crop);
  const source = isGrey(preprocessing) ? greyOf(image) : image;
  return resizeImage(source, { width, height, interpolation, window, box: image.reduced?.box });
}

/**
 * Writes an 8-bit image `[H, W, 3]` as floats `[channels, H, W]` into `target` at `offset`,
 * mirrored if `flip`.
 */
export type Normalizer = (image: RgbImage, target: Float32Array, offset: number, flip?: boolean) => void;

/**
 * `(value / 255 − mean) / std`, rounded to float32 after each step as PyTorch does; a table of 256
 * values per channel.
 */
export function createNormalizer(preprocessing: Preprocessing): Normalizer {
  const tables = preprocessing.mean.map((ownMean, channel) => {
    const mean = Math.fround(ownMean);
    const std = Math.fround(preprocessing.std[channel] ?? 1);
    return Float32Array.from({ length: 256 }, (_, value) => Math.fround(Math.fround(value / 255) - mean) / std);
  });
  if (isGrey(preprocessing)) return greyNormalizer(tables[0] as Float32Array);
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

/** Of images that are grey already this takes the value that all three channels have. */
function greyNormalizer(table: Float32Array): Normalizer {
  return (image, target, offset, flip = false) => {
    const { width } = image;
    greyValues(image).forEach((value, pixel) => {
      const column = pixel % width;
      target[offset + pixel + (flip ? width - 1 - 2 * column : 0)] = table[value]!;
    });
  };
}

/**
 * One decoded image as a network's input `[channels, crop height, crop width]`, float32. In a page
 * the members of a canvas's `ImageData` serve, with `channels: 4` beside them.
 */
export function preprocessImage(image: DecodedImage, preprocessing: Preprocessing): Float32Array {
  const pixels = new Float32Array(valuesPerImage(preprocessing));
  createNormalizer(preprocessing)(resizeAndCrop(image, preprocessing), pixels, 0);
  return pixels;
}
