/** Grey images as Pillow's `convert('L')` makes them, on the way to a network of one channel. */
import { describe, expect, it } from 'vitest';
import { greyOf, greyValues } from '../../src/data/grey-conversion.ts';
import { ImageAugmenter } from '../../src/data/image-augmenter.ts';
import { imageKey } from '../../src/data/decoded-images.ts';
import type { RgbImage } from '../../src/data/pillow-resize.ts';
import { createNormalizer, preprocessImage } from '../../src/data/preprocess.ts';
import { square } from '../../src/data/preprocessing.ts';
import type { Preprocessing } from '../../src/data/preprocessing.ts';

/** `(19595·R + 38470·G + 7471·B + 2¹⁵) / 2¹⁶`, rounded down, worked out by hand. */
const known: readonly [readonly [number, number, number], number][] = [
  [[255, 0, 0], 76],
  [[0, 255, 0], 150],
  [[0, 0, 255], 29],
  [[255, 255, 255], 255],
  [[12, 34, 56], 30],
  [[200, 100, 50], 124],
  [[1, 2, 3], 2],
  [[128, 128, 128], 128],
];

const image: RgbImage = {
  data: Uint8Array.from(known.flatMap(([colour]) => colour)),
  width: 4,
  height: 2,
  channels: 3,
};
const greys = known.map(([, grey]) => grey);

const grey: Preprocessing = {
  resize: { height: 2, width: 4 },
  resizeMode: 'stretch',
  crop: { height: 2, width: 4 },
  interpolation: 'bicubic',
  mean: [0.25],
  std: [0.5],
};
const normalized = (value: number): number => (value / 255 - 0.25) / 0.5;

describe('grey images', () => {
  it('have the values of Pillow, also where there is an alpha channel', () => {
    expect([...greyValues(image)]).toEqual(greys);
    const withAlpha = Uint8Array.from(known.flatMap(([colour]) => [...colour, 9]));
    expect([...greyValues({ ...image, data: withAlpha, channels: 4 })]).toEqual(greys);
  });

  it('stay what they are', () => {
    const once = greyOf(image);
    expect([...greyOf(once).data]).toEqual([...once.data]);
    const every = Uint8Array.from({ length: 3 * 256 }, (_, index) => Math.floor(index / 3));
    expect([...greyOf({ data: every, width: 256, height: 1, channels: 3 }).data]).toEqual([...every]);
  });

  it('are one channel of the network, made before they are resized', () => {
    const pixels = preprocessImage(image, grey);
    expect(pixels).toHaveLength(8);
    greys.forEach((value, index) => expect(pixels[index]).toBeCloseTo(normalized(value), 6));
    // A red and a blue pixel in one: the mean of their grey values.
    const pair = { data: Uint8Array.of(255, 0, 0, 0, 0, 255), width: 2, height: 1, channels: 3 } as const;
    const one = preprocessImage(pair, { ...grey, resize: square(1), crop: square(1), interpolation: 'bilinear' });
    expect(one[0]).toBeCloseTo(normalized(Math.round((76 + 29) / 2)), 6);
  });

  it('are mirrored, augmented and kept apart from coloured ones', () => {
    const target = new Float32Array(9);
    createNormalizer(grey)(image, target, 1, true);
    [3, 2, 1, 0, 7, 6, 5, 4].forEach((from, index) =>
      expect(target[index + 1]).toBeCloseTo(normalized(greys[from] ?? NaN), 6),
    );
    const augmenter = new ImageAugmenter(grey, { randomErasing: 1 }, 1);
    const erased = new Float32Array(9).fill(7);
    augmenter.write(augmenter.prepare(image), { epoch: 0, index: 0 }, erased, 0);
    expect(erased[8]).toBe(7);
    expect(imageKey('a', { preprocessing: grey })).not.toBe(
      imageKey('a', { preprocessing: { ...grey, mean: [0, 0, 0], std: [1, 1, 1] } }),
    );
  });
});
