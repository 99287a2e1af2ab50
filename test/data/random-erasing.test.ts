/** Random erasing: how often, how large, of which shape, and with what. */

import { expect, test } from 'vitest';
import * as fc from 'fast-check';
import { drawErasing, erase } from '../../src/data/random-erasing.ts';
import { RandomGenerator } from '../../src/data/random.ts';

test('as often as asked', () => {
  const random = new RandomGenerator(1);
  const count = (probability: number): number =>
    Array.from({ length: 4000 }, () => drawErasing(random, 32, 32, probability)).filter(Boolean).length;
  expect(count(0)).toBe(0);
  expect(count(1)).toBe(4000);
  expect(Math.abs(count(0.25) - 1000)).toBeLessThan(120);
});

test('rectangles lie inside and are of 2 % to a third of the area and of ratio 0.3 to 1 / 0.3, up to rounding', () => {
  const side = fc.integer({ min: 16, max: 300 });
  fc.assert(
    fc.property(fc.integer(), side, side, (seed, width, height) => {
      const region = drawErasing(new RandomGenerator(seed), width, height, 1);
      // Oblong images may refuse ten tries.
      if (!region) return;
      expect(region.left >= 0 && region.top >= 0).toBe(true);
      expect(region.left + region.width <= width && region.top + region.height <= height).toBe(true);
      const tolerance = (1 + 0.5 / (region.width - 0.5)) * (1 + 0.5 / (region.height - 0.5));
      const share = (region.width * region.height) / (width * height);
      expect(share).toBeGreaterThan(0.02 / tolerance);
      expect(share).toBeLessThan((1 / 3) * tolerance);
      expect(region.height / region.width).toBeGreaterThan(0.3 / tolerance);
      expect(region.height / region.width).toBeLessThan(tolerance / 0.3);
    }),
  );
});

test('every place is reached', () => {
  const random = new RandomGenerator(5);
  const hits = new Int32Array(16 * 16);
  for (let image = 0; image < 3000; image++) {
    const region = drawErasing(random, 16, 16, 1);
    if (!region) continue;
    for (let y = region.top; y < region.top + region.height; y++) {
      for (let x = region.left; x < region.left + region.width; x++) hits[y * 16 + x]!++;
    }
  }
  // Corners least often.
  expect(Math.min(...hits)).toBeGreaterThan(10);
});

test('the rectangle becomes normal noise in all three channels, and nothing else is touched', () => {
  const [height, width] = [70, 64];
  const pixels = new Float32Array(2 * 3 * height * width).fill(9);
  const region = { left: 3, top: 10, width: 50, height: 40 };
  erase(new RandomGenerator(8), pixels, 3 * height * width, { height, width, channels: 3 }, region);
  const noise: number[] = [];
  pixels.forEach((value, index) => {
    const place = index % (height * width);
    const [x, y] = [place % width, Math.floor(place / width)];
    const inside =
      index >= 3 * height * width &&
      x >= region.left &&
      x < region.left + region.width &&
      y >= region.top &&
      y < region.top + region.height;
    if (inside) noise.push(value);
    else if (value !== 9) throw new Error(`value ${index} was changed`);
  });
  expect(noise.length).toBe(3 * 50 * 40);
  expect(new Set(noise).size).toBeGreaterThan(5900);
  const mean = noise.reduce((sum, value) => sum + value, 0) / noise.length;
  const variance = noise.reduce((sum, value) => sum + (value - mean) ** 2, 0) / noise.length;
  expect(Math.abs(mean)).toBeLessThan(0.05);
  expect(Math.abs(variance - 1)).toBeLessThan(0.08);
});
