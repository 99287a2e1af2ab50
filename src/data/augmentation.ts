/**
 * Training-time augmentation of single images: torchvision's RandomResizedCrop and RandomHorizontalFlip.
 * What an image gets is drawn from its own fork of the seed, so that it does not depend on who loads it or when.
 */

import { resizeImage } from './pillow-resize.ts';
import type { Interpolation, Region, RgbImage } from './pillow-resize.ts';
import { roundHalfEven } from './preprocess.ts';
import type { RandomGenerator } from './random.ts';

/** Ranges that RandomResizedCrop draws from. */
export interface RandomResizedCrop {
  /** Share of the image's area, default `[0.08, 1]`. */
  readonly scale?: readonly [number, number];
  /** Width over height, default `[3/4, 4/3]`. */
  readonly ratio?: readonly [number, number];
}

/** How images are varied; without a random crop they get the evaluation's centre crop. */
export interface ImageAugmentation {
  readonly randomResizedCrop?: RandomResizedCrop;
  /** Probability of a horizontal mirror image, default 0. */
  readonly horizontalFlip?: number;
}

/** The published recipes' augmentation (DeiT's, less RandAugment). */
export const STANDARD_AUGMENTATION: ImageAugmentation = { randomResizedCrop: {}, horizontalFlip: 0.5 };

/** Centre crop and mirror images: enough for the search, and nearly free once images are cached. */
export const LIGHT_AUGMENTATION: ImageAugmentation = { horizontalFlip: 0.5 };

/** Draws a crop as torchvision's `RandomResizedCrop.get_params` does: ten tries, then the centre. */
export function drawResizedCrop(
  random: RandomGenerator,
  width: number,
  height: number,
  options: RandomResizedCrop = {},
): Region {
  const [minimumScale, maximumScale] = options.scale ?? [0.08, 1];
  const [minimumRatio, maximumRatio] = options.ratio ?? [3 / 4, 4 / 3];
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * random.uniform(minimumScale, maximumScale);
    const ratio = Math.exp(random.uniform(Math.log(minimumRatio), Math.log(maximumRatio)));
    const cropWidth = roundHalfEven(Math.sqrt(area * ratio));
    const cropHeight = roundHalfEven(Math.sqrt(area / ratio));
    if (cropWidth < 1 || cropHeight < 1 || cropWidth > width || cropHeight > height) continue;
    const top = random.integer(height - cropHeight + 1);
    const left = random.integer(width - cropWidth + 1);
    return { left, top, width: cropWidth, height: cropHeight };
  }
  let cropWidth = width;
  let cropHeight = height;
  if (width / height < minimumRatio) cropHeight = Math.max(1, roundHalfEven(width / minimumRatio));
  else if (width / height > maximumRatio) cropWidth = Math.max(1, roundHalfEven(height * maximumRatio));
  return {
    left: Math.floor((width - cropWidth) / 2),
    top: Math.floor((height - cropHeight) / 2),
    width: cropWidth,
    height: cropHeight,
  };
}

/** Whether this image is mirrored. */
export function drawFlip(random: RandomGenerator, augmentation: ImageAugmentation): boolean {
  return random.uniform() < (augmentation.horizontalFlip ?? 0);
}

/** A random crop of `image` resized to `[size, size, 3]`. */
export function randomResizedCrop(
  random: RandomGenerator,
  image: RgbImage,
  size: number,
  interpolation: Interpolation,
  options: RandomResizedCrop,
): RgbImage {
  const region = drawResizedCrop(random, image.width, image.height, options);
  return resizeImage(image, { width: size, height: size, interpolation, region });
}
