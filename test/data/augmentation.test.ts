/** Random resized crops and flips; Mixup, CutMix and soft targets. */

import { expect, test } from 'vitest';
import * as fc from 'fast-check';
import { drawFlip, drawResizedCrop, randomResizedCrop } from '../../src/data/augmentation.ts';
import { drawMix, mixPixels, mixTargets, smoothTargets } from '../../src/data/mixing.ts';
import { square } from '../../src/data/preprocessing.ts';
import { RandomGenerator } from '../../src/data/random.ts';
import { DiffrateError } from '../../src/errors.ts';

test('crops lie inside the image, within the ranges of area and ratio up to rounding', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 40, max: 600 }),
      fc.integer({ min: 40, max: 600 }),
      (seed, width, height) => {
        const crop = drawResizedCrop(new RandomGenerator(seed), width, height, { scale: [0.2, 0.9], ratio: [0.5, 2] });
        expect(crop.left >= 0 && crop.top >= 0).toBe(true);
        expect(crop.left + crop.width <= width && crop.top + crop.height <= height).toBe(true);
        const centred =
          crop.left === Math.floor((width - crop.width) / 2) && crop.top === Math.floor((height - crop.height) / 2);
        if (centred) return;
        const tolerance = 1 + 1 / crop.width + 1 / crop.height;
        const share = (crop.width * crop.height) / (width * height);
        expect(share).toBeGreaterThan(0.2 / tolerance);
        expect(share).toBeLessThan(0.9 * tolerance);
        expect(crop.width / crop.height).toBeGreaterThan(0.5 / tolerance);
        expect(crop.width / crop.height).toBeLessThan(2 * tolerance);
      },
    ),
  );
});

test('an image in which no crop fits gets the largest one in its centre', () => {
  const random = new RandomGenerator(1);
  expect(drawResizedCrop(random, 1000, 10, { scale: [0.9, 1] })).toEqual({ left: 493, top: 0, width: 13, height: 10 });
  expect(drawResizedCrop(random, 10, 1000, { scale: [0.9, 1] })).toEqual({ left: 0, top: 493, width: 10, height: 13 });
  expect(drawResizedCrop(random, 7, 7, { scale: [4, 5] })).toEqual({ left: 0, top: 0, width: 7, height: 7 });
});

test('a crop has the size that was asked for and holds what is in the image', () => {
  const image = { data: new Uint8Array(50 * 40 * 3).fill(77), width: 50, height: 40, channels: 3 } as const;
  const crop = randomResizedCrop(new RandomGenerator(5), image, { height: 12, width: 16 }, 'bicubic', {});
  expect([crop.width, crop.height, crop.data.length]).toEqual([16, 12, 576]);
  expect(new Set(crop.data)).toEqual(new Set([77]));
});

test('flips come as often as asked', () => {
  const random = new RandomGenerator(4);
  const count = (horizontalFlip?: number): number =>
    Array.from({ length: 4000 }, () => drawFlip(random, { horizontalFlip })).filter(Boolean).length;
  expect(count()).toBe(0);
  expect(count(1)).toBe(4000);
  expect(Math.abs(count(0.25) - 1000)).toBeLessThan(120);
});

/** A batch in which every value says which image it is from. */
function numbered(batch: number, size: number): Float32Array {
  return Float32Array.from({ length: batch * 3 * size * size }, (_, index) => Math.floor(index / (3 * size * size)));
}

test('Mixup blends image i with image B − 1 − i, and its targets with the same weight', () => {
  const pixels = numbered(5, 2);
  const mix = { kind: 'mixup', lambda: 0.75 } as const;
  mixPixels(pixels, { channels: 3, ...square(2) }, mix);
  const expected = [0, 1, 2, 3, 4].map((image) => 0.75 * image + 0.25 * (4 - image));
  expected.forEach((value, image) =>
    expect(new Set(pixels.subarray(image * 12, image * 12 + 12))).toEqual(new Set([value])),
  );

  const targets = mixTargets(smoothTargets([0, 1, 2, 1, 0], 4), 4, mix);
  expect([...targets.subarray(0, 4)]).toEqual([1, 0, 0, 0]);
  expect([...mixTargets(smoothTargets([0, 3], 4), 4, mix)]).toEqual([0.75, 0, 0, 0.25, 0.25, 0, 0, 0.75]);
});

test('CutMix takes a box from the partner, and λ is the area that is left', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 5 }), (seed, batch) => {
      const size = 12;
      const mix = drawMix(new RandomGenerator(seed), { mixup: 0, cutmix: 1 }, size, size);
      expect(mix.kind).toBe('cutmix');
      const pixels = numbered(batch, size);
      mixPixels(pixels, { channels: 3, ...square(size) }, mix);
      for (let image = 0; image < batch; image++) {
        const values = pixels.subarray(image * 3 * size * size, (image + 1) * 3 * size * size);
        if (image === batch - 1 - image) continue;
        const own = values.filter((value) => value === image).length;
        const others = values.filter((value) => value === batch - 1 - image).length;
        expect(own + others).toBe(values.length);
        expect(own / values.length).toBeCloseTo(mix.lambda, 6);
      }
    }),
  );
});

test('mixes are drawn as often as asked', () => {
  const random = new RandomGenerator(9);
  const kinds = (options: Parameters<typeof drawMix>[1]): Record<string, number> => {
    const counts: Record<string, number> = { none: 0, mixup: 0, cutmix: 0 };
    for (let index = 0; index < 2000; index++) counts[drawMix(random, options, 8, 8).kind]!++;
    return counts;
  };
  expect(kinds({ mixup: 0, cutmix: 0 })).toEqual({ none: 2000, mixup: 0, cutmix: 0 });
  expect(kinds({ mixup: 0.8, cutmix: 0 })).toEqual({ none: 0, mixup: 2000, cutmix: 0 });
  const published = kinds({ mixup: 0.8, cutmix: 1 });
  expect(published.none).toBe(0);
  expect(Math.abs(published.cutmix! - 1000)).toBeLessThan(120);
  const both = kinds({ mixup: 0.8, cutmix: 1, probability: 0.5, switchProbability: 0.2 });
  expect(Math.abs(both.none! - 1000)).toBeLessThan(120);
  expect(Math.abs(both.cutmix! - 200)).toBeLessThan(70);
});

test('smoothed targets sum to one and refuse labels that have no class', () => {
  const targets = smoothTargets([2, 0], 5, 0.1);
  expect(targets[2]).toBeCloseTo(0.92, 6);
  expect(targets[0]).toBeCloseTo(0.02, 6);
  for (let image = 0; image < 2; image++) {
    expect(targets.subarray(image * 5, image * 5 + 5).reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 6);
  }
  expect(() => smoothTargets([5], 5)).toThrow(DiffrateError);
  expect(() => smoothTargets([-1], 5)).toThrow('Label -1');
});

test('soft targets of a teacher stay distributions when mixed, and the originals are left alone', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.double({ min: 0, max: 1, noNaN: true }), (batch, lambda) => {
      const random = new RandomGenerator(batch);
      const targets = new Float32Array(batch * 3);
      for (let image = 0; image < batch; image++) {
        const a = random.uniform();
        targets.set([a / 2, a / 2, 1 - a], image * 3);
      }
      const before = targets.slice();
      const mixed = mixTargets(targets, 3, { kind: 'mixup', lambda });
      expect(targets).toEqual(before);
      for (let image = 0; image < batch; image++) {
        const sum = mixed.subarray(image * 3, image * 3 + 3).reduce((total, value) => total + value, 0);
        expect(sum).toBeCloseTo(1, 5);
      }
    }),
  );
});
