/**
 * RandAugment (Cubuk et al., 2020) as timm's `rand-m9-mstd0.5-inc1` has it, the recipe of DeiT: two
 * operations out of fifteen, drawn with replacement, each applied with probability one half; the
 * magnitude has normal noise, and a greater one always means a stronger change ("increasing"
 * operations).
 */

import type { RgbImage } from '../pillow-resize.ts';
import type { RandomGenerator } from '../random.ts';
import { rotate, shearX, shearY, translateX, translateY } from './affine.ts';
import type { Geometry } from './affine.ts';
import { adjustBrightness, adjustColour, adjustContrast, adjustSharpness } from './enhancement.ts';
import { autocontrast, equalize, invert, posterize, solarize, solarizeAdd } from './tone.ts';

/** Strength; DeiT's is 9 with deviation 0.5. */
export interface RandAugment {
  /** Mean magnitude, 0 to 10. */
  readonly magnitude: number;
  /** Standard deviation of the magnitude, default 0.5. */
  readonly deviation?: number;
}

/** One operation as drawn. */
export interface DrawnOperation {
  readonly name: OperationName;
  /** Between 0 and 10. */
  readonly magnitude: number;
  /** Whether what has a direction goes the other way. */
  readonly negated: boolean;
}

const OPERATIONS_PER_IMAGE = 2;
const OPERATION_PROBABILITY = 0.5;
const LARGEST_MAGNITUDE = 10;

/** `level` is the magnitude from 0 to 1, `signed` the same with its direction. */
type Operation = (image: RgbImage, level: number, signed: number, geometry: Geometry) => RgbImage;

/** 1 changes nothing; from there up or down by at most 0.9. */
const enhancementFactor = (signed: number): number => Math.max(0.1, 1 + signed * 0.9);

/** The operations by timm's names, with timm's arguments for a level. */
const operations = {
  AutoContrast: (image) => autocontrast(image),
  Equalize: (image) => equalize(image),
  Invert: (image) => invert(image),
  Rotate: (image, _, signed, geometry) => rotate(image, signed * 30, geometry),
  PosterizeIncreasing: (image, level) => posterize(image, 4 - Math.trunc(level * 4)),
  SolarizeIncreasing: (image, level) => solarize(image, 256 - Math.trunc(level * 256)),
  SolarizeAdd: (image, level) => solarizeAdd(image, Math.trunc(level * 110)),
  ColorIncreasing: (image, _, signed) => adjustColour(image, enhancementFactor(signed)),
  ContrastIncreasing: (image, _, signed) => adjustContrast(image, enhancementFactor(signed)),
  BrightnessIncreasing: (image, _, signed) => adjustBrightness(image, enhancementFactor(signed)),
  SharpnessIncreasing: (image, _, signed) => adjustSharpness(image, enhancementFactor(signed)),
  ShearX: (image, _, signed, geometry) => shearX(image, signed * 0.3, geometry),
  ShearY: (image, _, signed, geometry) => shearY(image, signed * 0.3, geometry),
  TranslateXRel: (image, _, signed, geometry) => translateX(image, signed * 0.45, geometry),
  TranslateYRel: (image, _, signed, geometry) => translateY(image, signed * 0.45, geometry),
} satisfies Record<string, Operation>;

/** timm's name of an operation. */
export type OperationName = keyof typeof operations;

/** All names. */
export const operationNames = Object.keys(operations) as OperationName[];

/** Draws what happens to one image: up to two operations, often fewer. */
export function drawOperations(random: RandomGenerator, { magnitude, deviation = 0.5 }: RandAugment): DrawnOperation[] {
  const drawn: DrawnOperation[] = [];
  for (let count = 0; count < OPERATIONS_PER_IMAGE; count++) {
    const name = operationNames[random.integer(operationNames.length)]!;
    if (random.uniform() >= OPERATION_PROBABILITY) continue;
    const noisy = magnitude + deviation * random.normal();
    drawn.push({
      name,
      magnitude: Math.min(Math.max(noisy, 0), LARGEST_MAGNITUDE),
      negated: random.uniform() < 0.5,
    });
  }
  return drawn;
}

/** Applies one drawn operation; the image is left as it is. */
export function applyOperation(image: RgbImage, operation: DrawnOperation, geometry: Geometry): RgbImage {
  const level = operation.magnitude / LARGEST_MAGNITUDE;
  const apply: Operation = operations[operation.name];
  return apply(image, level, operation.negated ? -level : level, geometry);
}

/** Draws operations and applies them to `[height, width, 3]`; the image is left as it is. */
export function randAugment(
  random: RandomGenerator,
  image: RgbImage,
  strength: RandAugment,
  geometry: Geometry,
): RgbImage {
  if (image.channels !== 3) throw new RangeError(`RandAugment takes images of 3 channels, not ${image.channels}`);
  return drawOperations(random, strength).reduce(
    (changed, operation) => applyOperation(changed, operation, geometry),
    image,
  );
}
