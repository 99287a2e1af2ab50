/** The order of images: epochs, resumption and repeated augmentation. */

import { expect, test } from 'vitest';
import * as fc from 'fast-check';
import { ImageOrder } from '../../src/data/image-order.ts';
import type { ImageSlot } from '../../src/data/image-order.ts';

function slotsOf(order: ImageOrder, steps: number, first = 0): ImageSlot[] {
  return Array.from({ length: steps }, (_, step) => order.slots(first + step, new Set())).flat();
}

test('repeated views follow each other, and an epoch has as many places as there are images', () => {
  const once = slotsOf(new ImageOrder(10, 5, 7), 4);
  const thrice = slotsOf(new ImageOrder(10, 5, 7, 3), 4);
  for (const epoch of [0, 1]) {
    const plain = once.filter((slot) => slot.epoch === epoch).map(({ index }) => index);
    const repeated = thrice.filter((slot) => slot.epoch === epoch);
    expect(repeated.length).toBe(10);
    // DeiT's RASampler: the shuffled images, each repeated, cut off at the number of images.
    expect(repeated.map(({ index }) => index)).toEqual(
      plain.flatMap((index) => [index, index, index]).slice(0, plain.length),
    );
    expect(repeated.map(({ repetition = 0 }) => repetition)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
  }
});

test('no slot comes twice, and batch n is the same whatever was asked for before', () => {
  const numbers = fc.record({
    count: fc.integer({ min: 1, max: 40 }),
    batchSize: fc.integer({ min: 1, max: 20 }),
    repetitions: fc.integer({ min: 1, max: 5 }),
    step: fc.nat(12),
  });
  fc.assert(
    fc.property(numbers, fc.integer(), ({ count, batchSize, repetitions, step }, seed) => {
      const order = new ImageOrder(count, batchSize, seed, repetitions);
      const slots = slotsOf(order, step + 1);
      const names = slots.map(({ epoch, index, repetition = 0 }) => `${epoch} ${index} ${repetition}`);
      expect(new Set(names).size).toBe(names.length);
      const resumed = new ImageOrder(count, batchSize, seed, repetitions);
      expect(slotsOf(resumed, 1, step)).toEqual(slots.slice(step * batchSize));
    }),
  );
});

test('undecodable images are replaced, all their views', () => {
  const order = new ImageOrder(12, 12, 1, 3);
  const [broken = -1] = order.slots(0, new Set()).map(({ index }) => index);
  const slots = order.slots(0, new Set([broken]));
  expect(slots.length).toBe(12);
  expect(slots.map(({ index }) => index)).not.toContain(broken);
  expect(new Set(slots.slice(0, 3).map(({ index }) => index)).size).toBe(1);
});

test('in the folder’s own order nothing is repeated', () => {
  expect(slotsOf(new ImageOrder(5, 2, undefined, 3), 3).map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
});
