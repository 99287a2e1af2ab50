/**
 * RandAugment: which operations are drawn, how strong they are, and that a stronger magnitude
 * changes more.
 */

import { expect, test } from 'vitest';
import type { RgbImage } from '../../../src/data/pillow-resize.ts';
import { rotate, shearX, shearY, translateX, translateY } from '../../../src/data/rand-augment/affine.ts';
import {
  adjustBrightness,
  adjustColour,
  adjustContrast,
  adjustSharpness,
} from '../../../src/data/rand-augment/enhancement.ts';
import {
  applyOperation,
  drawOperations,
  operationNames,
  randAugment,
} from '../../../src/data/rand-augment/rand-augment.ts';
import type { OperationName } from '../../../src/data/rand-augment/rand-augment.ts';
import { RandomGenerator } from '../../../src/data/random.ts';

const geometry = { interpolation: 'bicubic', fill: [124, 116, 104] } as const;
const source: RgbImage = {
  data: Uint8Array.from({ length: 24 * 20 * 3 }, (_, index) => 40 + ((index * 7919) % 151)),
  width: 24,
  height: 20,
  channels: 3,
};

test('two draws out of timm’s fifteen, each kept with probability one half, magnitudes as asked', () => {
  const random = new RandomGenerator(3);
  const counts = new Map<OperationName, number>(operationNames.map((name) => [name, 0]));
  const lengths = [0, 0, 0];
  const magnitudes: number[] = [];
  let negated = 0;
  for (let image = 0; image < 15_000; image++) {
    const drawn = drawOperations(random, { magnitude: 9, deviation: 0.5 });
    lengths[drawn.length]!++;
    for (const operation of drawn) {
      counts.set(operation.name, (counts.get(operation.name) ?? 0) + 1);
      magnitudes.push(operation.magnitude);
      if (operation.negated) negated += 1;
    }
  }
  expect(counts.size).toBe(15);
  for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  expect(Math.abs(lengths[0]! - 3750)).toBeLessThan(250);
  expect(Math.abs(lengths[2]! - 3750)).toBeLessThan(250);
  expect(Math.abs(negated - magnitudes.length / 2)).toBeLessThan(300);
  const mean = magnitudes.reduce((sum, value) => sum + value, 0) / magnitudes.length;
  expect(Math.abs(mean - 9)).toBeLessThan(0.03);
  expect(Math.max(...magnitudes)).toBe(10);
  // 2.3 % lie more than two deviations below the mean, and as many above 10, where they are cut
  // off.
  for (const share of [magnitudes.filter((value) => value < 8), magnitudes.filter((value) => value === 10)]) {
    expect(share.length / magnitudes.length).toBeGreaterThan(0.017);
    expect(share.length / magnitudes.length).toBeLessThan(0.029);
  }
});

/** Arguments by timm's `LEVEL_TO_ARG` for magnitude 9, from results on single values. */
test.each<[OperationName, number, number]>([
  ['PosterizeIncreasing', 255, 128],
  ['SolarizeIncreasing', 26, 229],
  ['SolarizeIncreasing', 25, 25],
  ['SolarizeAdd', 20, 119],
  ['SolarizeAdd', 128, 128],
  ['Invert', 20, 235],
  ['BrightnessIncreasing', 100, 181],
])('%s at magnitude 9 makes %d to %d', (name, before, after) => {
  const image: RgbImage = { data: new Uint8Array(3).fill(before), width: 1, height: 1, channels: 3 };
  const changed = applyOperation(image, { name, magnitude: 9, negated: false }, geometry);
  expect([...changed.data]).toEqual([after, after, after]);
});

test('arguments at magnitude 9 are timm’s: 27°, 0.27, 0.405 and 1 ± 0.81', () => {
  const expected: Partial<Record<OperationName, [up: RgbImage, down: RgbImage]>> = {
    Rotate: [rotate(source, 27, geometry), rotate(source, -27, geometry)],
    ShearX: [shearX(source, 0.27, geometry), shearX(source, -0.27, geometry)],
    ShearY: [shearY(source, 0.27, geometry), shearY(source, -0.27, geometry)],
    TranslateXRel: [translateX(source, 0.405, geometry), translateX(source, -0.405, geometry)],
    TranslateYRel: [translateY(source, 0.405, geometry), translateY(source, -0.405, geometry)],
    ColorIncreasing: [adjustColour(source, 1.81), adjustColour(source, 0.19)],
    ContrastIncreasing: [adjustContrast(source, 1.81), adjustContrast(source, 0.19)],
    BrightnessIncreasing: [adjustBrightness(source, 1.81), adjustBrightness(source, 0.19)],
    SharpnessIncreasing: [adjustSharpness(source, 1.81), adjustSharpness(source, 0.19)],
  };
  for (const [name, images] of Object.entries(expected)) {
    for (const [index, image] of images.entries()) {
      const drawn = { name: name as OperationName, magnitude: 9, negated: index === 1 };
      const difference = applyOperation(source, drawn, geometry).data.map((value, at) =>
        Math.abs(value - (image.data[at] ?? -9)),
      );
      // 0.9 · 0.9 is not 0.81 to the last bit.
      expect(Math.max(...difference)).toBeLessThanOrEqual(1);
    }
  }
});

test('what has a direction goes the other way when negated', () => {
  const grey: RgbImage = { data: new Uint8Array(3).fill(100), width: 1, height: 1, channels: 3 };
  const darker = applyOperation(grey, { name: 'BrightnessIncreasing', magnitude: 9, negated: true }, geometry);
  expect(darker.data[0]).toBe(19);
  for (const name of ['Rotate', 'ShearX', 'ShearY', 'TranslateXRel', 'TranslateYRel'] as const) {
    const [one, other] = [false, true].map((negated) =>
      String(applyOperation(source, { name, magnitude: 9, negated }, geometry).data),
    );
    expect(one).not.toBe(other);
  }
});

test('a greater magnitude changes more, where there is one', () => {
  const difference = (name: OperationName, magnitude: number): number => {
    const { data } = applyOperation(source, { name, magnitude, negated: false }, geometry);
    return Array.from(data).reduce((sum, value, index) => sum + Math.abs(value - (source.data[index] ?? 0)), 0);
  };
  for (const name of operationNames) {
    if (['AutoContrast', 'Equalize', 'Invert'].includes(name)) {
      expect(difference(name, 1)).toBe(difference(name, 9));
    } else if (/Increasing|Add/.test(name)) {
      expect(difference(name, 2)).toBeLessThanOrEqual(difference(name, 9));
    }
    expect(difference(name, 9)).toBeGreaterThan(0);
  }
});

test('the same generator state gives the same image, and the source is left alone', () => {
  const before = source.data.slice();
  const views = Array.from({ length: 40 }, (_, seed) => {
    const view = (): RgbImage => randAugment(new RandomGenerator(seed), source, { magnitude: 9 }, geometry);
    expect(view().data).toEqual(view().data);
    return String(view().data);
  });
  expect(source.data).toEqual(before);
  // A quarter of the images gets no operation at all.
  expect(new Set(views).size).toBeGreaterThan(20);
  expect(views.filter((view) => view === String(before)).length).toBeLessThan(20);
});

test('images with a fourth channel are refused', () => {
  const image: RgbImage = { data: new Uint8Array(4), width: 1, height: 1, channels: 4 };
  expect(() => randAugment(new RandomGenerator(0), image, { magnitude: 9 }, geometry)).toThrow(RangeError);
});
