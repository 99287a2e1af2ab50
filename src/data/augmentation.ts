/**
 * Training-time augmentation of single images: the recipe, and its crops and flips.
 * They are torchvision's RandomResizedCrop, RandomCrop with padding and RandomHorizontalFlip.
 * `image-augmenter.ts` applies recipes.
 */

import { UsageError } from '../errors.ts';
import { resizeImage } from './pillow-resize.ts';
import type { Interpolation, Region, RgbImage } from './pillow-resize.ts';
import { roundHalfEven } from './preprocess.ts';
import type { ImageSize } from './preprocessing.ts';
import type { RandAugment } from './rand-augment/rand-augment.ts';
import type { RandomGenerator } from './random.ts';

/** Ranges that RandomResizedCrop draws from. */
export interface RandomResizedCrop {
  /** Share of the image's area, default `[0.08, 1]`. */
  readonly scale?: readonly [number, number];
  /** Width over height, default `[3/4, 4/3]`. */
  readonly ratio?: readonly [number, number];
}

/**
 * How images are varied, in the order of application; without a random crop they get the
 * evaluation's centre crop.
 */
export interface ImageAugmentation {
  readonly randomResizedCrop?: RandomResizedCrop;
  /**
   * For small images, in place of `randomResizedCrop`. The centre crop gets a black border of this
   * many pixels, and a random window of its former size is taken out.
   */
  readonly cropPadding?: number;
  /** Probability of a horizontal mirror image, default 0. */
  readonly horizontalFlip?: number;
  readonly randAugment?: RandAugment;
  /** Probability that a rectangle becomes noise, default 0; published recipe: 0.25. */
  readonly randomErasing?: number;
}

/** The published recipes' augmentation (DeiT's, less RandAugment). */
export const STANDARD_AUGMENTATION: ImageAugmentation = { randomResizedCrop: {}, horizontalFlip: 0.5 };

/**
 * DeiT's augmentation of single images: `STANDARD_AUGMENTATION` with RandAugment(9, 0.5) and random
 * erasing.
 */
export const DEIT_AUGMENTATION: ImageAugmentation = {
  ...STANDARD_AUGMENTATION,
  randAugment: { magnitude: 9, deviation: 0.5 },
  randomErasing: 0.25,
};

/** For images of about 30 pixels, such as CIFAR's: moved by up to 4 pixels, and mirrored. */
export const SMALL_IMAGE_AUGMENTATION: ImageAugmentation = { cropPadding: 4, horizontalFlip: 0.5 };

/** Centre crop and mirror images: enough for the search, and nearly free once images are cached. */
export const LIGHT_AUGMENTATION: ImageAugmentation = { horizontalFlip: 0.5 };

/**
 * Whether an image only ever comes as its centre crop or as the mirror image of that.
 * Then what was computed for it may be remembered by image and flip.
 */
export function onlyFlips(augmentation: ImageAugmentation): boolean {
  const { randomResizedCrop, cropPadding = 0, randAugment, randomErasing = 0 } = augmentation;
  return randomResizedCrop === undefined && cropPadding === 0 && randAugment === undefined && randomErasing === 0;
}

/**
 * Checks a recipe.
 * @throws UsageError if a probability, a number of pixels or a magnitude is out of range, or two
 *   crops are asked for.
 */
export function checkAugmentation(augmentation: ImageAugmentation): void {
  const { randomResizedCrop, cropPadding = 0, horizontalFlip = 0, randAugment, randomErasing = 0 } = augmentation;
  requireRange('probability of a horizontal flip', horizontalFlip, 0, 1);
  requireRange('probability of random erasing', randomErasing, 0, 1);
  requireRange('magnitude of RandAugment', randAugment?.magnitude ?? 0, 0, 10);
  requireRange("deviation of RandAugment's magnitude", randAugment?.deviation ?? 0, 0, 10);
  if (!Number.isInteger(cropPadding) || cropPadding < 0) {
    throw new UsageError(`The padding of random crops must be an integer from 0, not ${cropPadding}.`);
  }
  if (randomResizedCrop !== undefined && cropPadding > 0) {
    throw new UsageError('Images can be cropped at random with resizing or with padding, not both: leave out one.');
  }
}

function requireRange(name: string, value: number, minimum: number, maximum: number): void {
  if (value >= minimum && value <= maximum) return;
  throw new UsageError(`The ${name} must be a number from ${minimum} to ${maximum}, not ${value}.`);
}

/**
 * Draws a crop as torchvision's `RandomResizedCrop.get_params` does: ten tries, then the centre.
 */
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

/** A random crop of `image` resized to `[size.height, size.width, 3]`. */
export function randomResizedCrop(
  random: RandomGenerator,
  image: RgbImage,
  size: ImageSize,
  interpolation: Interpolation,
  options: RandomResizedCrop,
): RgbImage {
  const region = drawResizedCrop(random, image.width, image.height, options);
  return resizeImage(image, { ...size, interpolation, region });
}

/**
 * A random window, of the size of the image, of the image `[height, width, 3]` within a black
 * border.
 */
export function randomPaddedCrop(random: RandomGenerator, image: RgbImage, padding: number): RgbImage {
  const { data, width, height } = image;
  const left = random.integer(2 * padding + 1) - padding;
  const top = random.integer(2 * padding + 1) - padding;
  const result = new Uint8Array(width * height * 3);
  const first = Math.max(left, 0);
  const count = Math.min(left + width, width) - first;
  for (let y = Math.max(-top, 0); y < Math.min(height - top, height); y++) {
    const from = ((y + top) * width + first) * 3;
    if (count > 0) result.set(data.subarray(from, from + count * 3), (y * width + first - left) * 3);
  }
  return { data: result, width, height, channels: 3 };
}

/** The mirror image of `[height, width, 3]`. */
export function mirror(image: RgbImage): RgbImage {
  const { data, width, height } = image;
  const result = new Uint8Array(data.length);
  for (let y = 0, to = 0; y < height; y++) {
    for (let from = ((y + 1) * width - 1) * 3; from >= y * width * 3; from -= 3, to += 3) {
      result[to] = data[from]!;
      result[to + 1] = data[from + 1]!;
      result[to + 2] = data[from + 2]!;
    }
  }
  return { data: result, width, height, channels: 3 };
}
