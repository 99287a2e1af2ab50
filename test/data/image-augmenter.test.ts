/**
 * Whole recipes: padded crops, the order of steps, what depends on which random numbers, and
 * recipes that are refused.
 */

import { expect, test } from 'vitest';
import * as fc from 'fast-check';
import {
  checkAugmentation,
  DEIT_AUGMENTATION,
  LIGHT_AUGMENTATION,
  mirror,
  onlyFlips,
  randomPaddedCrop,
  SMALL_IMAGE_AUGMENTATION,
  STANDARD_AUGMENTATION,
} from '../../src/data/augmentation.ts';
import type { ImageAugmentation } from '../../src/data/augmentation.ts';
import { ImageAugmenter } from '../../src/data/image-augmenter.ts';
import type { ImageSlot } from '../../src/data/image-order.ts';
import type { RgbImage } from '../../src/data/pillow-resize.ts';
import { RandomGenerator } from '../../src/data/random.ts';
import { UsageError } from '../../src/errors.ts';
import { square } from '../../src/data/preprocessing.ts';
import type { Preprocessing } from '../../src/data/preprocessing.ts';

const size = 16;
const preprocessing: Preprocessing = {
  resize: square(size),
  crop: square(size),
  interpolation: 'bicubic',
  mean: [0.5, 0.4, 0.3],
  std: [0.25, 0.25, 0.25],
};
const source: RgbImage = {
  data: Uint8Array.from({ length: size * size * 3 }, (_, index) => 60 + ((index * 7919) % 151)),
  width: size,
  height: size,
  channels: 3,
};

function view(
  augmentation: ImageAugmentation,
  slot: ImageSlot = { index: 3, epoch: 1 },
  seed = 0,
): { pixels: Float32Array; flipped: boolean } {
  const augmenter = new ImageAugmenter(preprocessing, augmentation, seed);
  const pixels = new Float32Array(3 * size * size);
  const flipped = augmenter.write(augmenter.prepare(source), slot, pixels, 0);
  return { pixels, flipped };
}

const recipes = { DEIT_AUGMENTATION, SMALL_IMAGE_AUGMENTATION, STANDARD_AUGMENTATION, LIGHT_AUGMENTATION };

test.each(Object.entries(recipes))('%s is sound, and a function of seed, epoch, image and repetition', (_, recipe) => {
  checkAugmentation(recipe);
  const before = source.data.slice();
  const seen = new Map<string, Set<string>>();
  for (const seed of [0, 1]) {
    for (const epoch of [0, 1, 2, 3, 4, 5]) {
      for (const repetition of [0, 1]) {
        const slot = { index: 3, epoch, repetition };
        const one = view(recipe, slot, seed);
        expect(view(recipe, slot, seed)).toEqual(one);
        for (const key of [`seed ${seed}`, `repetition ${repetition}`, 'all']) {
          seen.set(key, (seen.get(key) ?? new Set()).add(String(one.pixels)));
        }
      }
    }
  }
  // Two views where only mirror images are made; far more elsewhere.
  if (onlyFlips(recipe)) expect(seen.get('all')?.size).toBe(2);
  else expect(seen.get('all')?.size).toBeGreaterThan(18);
  expect(source.data).toEqual(before);
});

test('the first repetition is what an epoch without repetitions gives', () => {
  expect(view(DEIT_AUGMENTATION, { index: 3, epoch: 1, repetition: 0 })).toEqual(view(DEIT_AUGMENTATION));
  expect(view(DEIT_AUGMENTATION, { index: 3, epoch: 1, repetition: 1 })).not.toEqual(view(DEIT_AUGMENTATION));
});

test('RandAugment and erasing do not change which crop and flip an image gets', () => {
  const { randAugment: _, randomErasing: __, ...standard } = DEIT_AUGMENTATION;
  let same = 0;
  for (let index = 0; index < 40; index++) {
    const plain = view(standard, { index, epoch: 0 });
    const full = view(DEIT_AUGMENTATION, { index, epoch: 0 });
    expect(full.flipped).toBe(plain.flipped);
    if (String(full.pixels) === String(plain.pixels)) same += 1;
  }
  // A quarter of the images gets no operation, and three quarters of those are not erased.
  expect(same).toBeGreaterThan(1);
  expect(same).toBeLessThan(20);
});

test('what RandAugment lets in from outside is the mean colour, so zero after normalisation', () => {
  const recipe = { randAugment: { magnitude: 10, deviation: 0 } };
  let found = 0;
  for (let index = 0; index < 60; index++) {
    const { pixels } = view(recipe, { index, epoch: 0 });
    // A translation by 45 % leaves whole rows or columns of mean colour.
    for (let row = 0; row < size; row += size - 1) {
      const line = pixels.subarray(row * size, (row + 1) * size);
      if (line.every((value) => Math.abs(value) <= 0.5 / 255 / 0.25 + 1e-6)) found += 1;
    }
  }
  expect(found).toBeGreaterThan(0);
});

test('a padded crop is the image moved, with black where nothing was', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 0, max: 20 }), (seed, padding) => {
      const moved = randomPaddedCrop(new RandomGenerator(seed), source, padding);
      const at = ({ data }: RgbImage, x: number, y: number): number[] =>
        x < 0 || y < 0 || x >= size || y >= size ? [0, 0, 0] : [...data.subarray((y * size + x) * 3).subarray(0, 3)];
      const isMoveBy = (left: number, top: number): boolean => {
        for (let y = 0; y < size; y++) {
          for (let x = 0; x < size; x++) {
            if (String(at(moved, x, y)) !== String(at(source, x + left, y + top))) return false;
          }
        }
        return true;
      };
      const random = new RandomGenerator(seed);
      const left = random.integer(2 * padding + 1) - padding;
      const top = random.integer(2 * padding + 1) - padding;
      expect(isMoveBy(left, top)).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test('padded crops reach every move', () => {
  const random = new RandomGenerator(2);
  const seen = new Set(Array.from({ length: 600 }, () => String(randomPaddedCrop(random, source, 2).data)));
  expect(seen.size).toBe(25);
});

test('the mirror image of the mirror image is the image', () => {
  const once = mirror(source);
  expect(once.data).not.toEqual(source.data);
  expect([...once.data.subarray(0, 3)]).toEqual([...source.data.subarray((size - 1) * 3, size * 3)]);
  expect(mirror(once).data).toEqual(source.data);
});

test('flips are the same with RandAugment, which mirrors before, as without, where mirroring comes last', () => {
  const nothing = { horizontalFlip: 1, randAugment: { magnitude: 0, deviation: 0 } };
  let compared = 0;
  for (let index = 0; index < 20; index++) {
    const one = view(nothing, { index, epoch: 0 }).pixels;
    if (String(one) === String(view({ horizontalFlip: 1 }, { index, epoch: 0 }).pixels)) compared += 1;
  }
  // Some operations change an image at magnitude 0, too.
  expect(compared).toBeGreaterThan(5);
});

test.each<[ImageAugmentation, RegExp]>([
  [{ horizontalFlip: 1.5 }, /probability of a horizontal flip must be a number from 0 to 1, not 1\.5\./],
  [{ randomErasing: -0.1 }, /probability of random erasing/],
  [{ randomErasing: Number.NaN }, /not NaN/],
  [{ randAugment: { magnitude: 11 } }, /magnitude of RandAugment must be a number from 0 to 10, not 11/],
  [{ randAugment: { magnitude: 9, deviation: -1 } }, /deviation/],
  [{ cropPadding: 1.5 }, /padding of random crops must be an integer from 0, not 1\.5/],
  [{ cropPadding: 4, randomResizedCrop: {} }, /not both/],
])('the recipe %j is refused', (recipe, expected) => {
  expect(() => checkAugmentation(recipe)).toThrow(expected);
  expect(() => checkAugmentation(recipe)).toThrow(UsageError);
});
