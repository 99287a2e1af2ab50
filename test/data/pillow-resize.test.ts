/**
 * The resize against an independent floating-point reference, known answers of Pillow, and its own
 * invariants.
 */

import { expect, test } from 'vitest';
import * as fc from 'fast-check';
import { resizeImage } from '../../src/data/pillow-resize.ts';
import type { Interpolation, RgbImage } from '../../src/data/pillow-resize.ts';
import { RandomGenerator } from '../../src/data/random.ts';

function noise(width: number, height: number, seed: number, channels: 3 | 4 = 3): RgbImage {
  const random = new RandomGenerator(seed);
  return {
    data: Uint8Array.from({ length: width * height * channels }, () => random.integer(256)),
    width,
    height,
    channels,
  };
}

/**
 * One axis of the definition: weights of a filter stretched by the scale when shrinking,
 * normalised, then rounded.
 */
function referenceLine(line: readonly number[], size: number, interpolation: Interpolation): number[] {
  const kernel = (distance: number): number => {
    const x = Math.abs(distance);
    if (interpolation === 'bilinear') return Math.max(0, 1 - x);
    if (x < 1) return 1.5 * x ** 3 - 2.5 * x ** 2 + 1;
    return x < 2 ? -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2 : 0;
  };
  const scale = line.length / size;
  const stretch = Math.max(1, scale);
  return Array.from({ length: size }, (_, index) => {
    const weights = line.map((_value, position) => kernel((position + 0.5 - (index + 0.5) * scale) / stretch));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const value = line.reduce((sum, pixel, position) => sum + (pixel * (weights[position] ?? 0)) / total, 0);
    return Math.min(255, Math.max(0, Math.round(value)));
  });
}

function referenceResize(image: RgbImage, width: number, height: number, interpolation: Interpolation): Uint8Array {
  const result = new Uint8Array(width * height * 3);
  for (let channel = 0; channel < 3; channel++) {
    const rows = Array.from({ length: image.height }, (_, y) =>
      Array.from(
        { length: image.width },
        (_value, x) => image.data[(y * image.width + x) * image.channels + channel] ?? 0,
      ),
    ).map((row) => referenceLine(row, width, interpolation));
    for (let x = 0; x < width; x++) {
      const column = referenceLine(
        rows.map((row) => row[x] ?? 0),
        height,
        interpolation,
      );
      column.forEach((value, y) => {
        result[(y * width + x) * 3 + channel] = value;
      });
    }
  }
  return result;
}

const size = fc.integer({ min: 1, max: 24 });
const filter = fc.constantFrom<Interpolation>('bicubic', 'bilinear');

test('differs from the floating-point definition by rounding only', () => {
  let different = 0;
  let compared = 0;
  fc.assert(
    fc.property(
      size,
      size,
      size,
      size,
      filter,
      fc.integer(),
      (width, height, toWidth, toHeight, interpolation, seed) => {
        const image = noise(width, height, seed);
        const { data } = resizeImage(image, { width: toWidth, height: toHeight, interpolation });
        const expected = referenceResize(image, toWidth, toHeight, interpolation);
        expect(data.length).toBe(expected.length);
        compared += data.length;
        for (let index = 0; index < data.length; index++) {
          const difference = Math.abs((data[index] ?? 0) - (expected[index] ?? 0));
          expect(difference).toBeLessThanOrEqual(1);
          different += difference;
        }
      },
    ),
    { numRuns: 60, seed: 1 },
  );
  // Exact halves, frequent where small images shrink by two, go either way in fixed point.
  expect(different / compared).toBeLessThan(0.02);
});

/** Two bright and two dark squares, as a checkerboard. */
function checkerboard(side: number, bright: number): RgbImage {
  const data = new Uint8Array(side * side * 3);
  for (let index = 0; index < data.length; index++) {
    const pixel = Math.floor(index / 3);
    const same = pixel % side < side / 2 === Math.floor(pixel / side) < side / 2;
    data[index] = same ? bright : 255 - bright;
  }
  return { data, width: side, height: side, channels: 3 };
}

test.each<[string, Interpolation, number, number, string[]]>([
  ['shrunk', 'bilinear', 8, 4, ['e1 c9', 'c9 b7']],
  ['shrunk', 'bicubic', 12, 6, ['e1 e3 d4', 'e3 e5 d6', 'd4 d6 c9']],
  ['enlarged', 'bilinear', 2, 4, ['e1 b0', 'b0 98']],
  ['enlarged', 'bicubic', 4, 8, ['e1 e5 ee b9', 'e5 e9 f3 bc', 'ee f3 fd c1', 'b9 bc c1 a2']],
])('a checkerboard %s with %s is what Pillow makes of it', (_, interpolation, from, to, quarter) => {
  const { data } = resizeImage(checkerboard(from, 0xe1), { width: to, height: to, interpolation });
  const expected = quarter.map((row) => row.split(' ').map((value) => Number.parseInt(value, 16)));
  for (let y = 0; y < to / 2; y++) {
    for (let x = 0; x < to / 2; x++) {
      const value = expected[y]?.[x] ?? -1;
      const at = (column: number, row: number): number => data[(row * to + column) * 3] ?? -1;
      expect(at(x, y)).toBe(value);
      expect(at(to - 1 - x, to - 1 - y)).toBe(value);
      expect(at(to - 1 - x, y)).toBe(255 - value);
      expect(at(x, to - 1 - y)).toBe(255 - value);
    }
  }
});

test('a resize to the same size is a copy', () => {
  const image = noise(13, 9, 1);
  const result = resizeImage(image, { width: 13, height: 9, interpolation: 'bicubic' });
  expect(result.data).toEqual(image.data);
  expect(result.data.buffer).not.toBe(image.data.buffer);
});

test('an image of one colour keeps it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 1, max: 300 }),
      size,
      filter,
      (colour, from, to, interpolation) => {
        const image: RgbImage = {
          data: new Uint8Array(from * 3 * 3).fill(colour),
          width: from,
          height: 3,
          channels: 3,
        };
        expect(new Set(resizeImage(image, { width: to, height: 5, interpolation }).data)).toEqual(new Set([colour]));
      },
    ),
  );
});

test('a window is that part of the whole, a region is a crop before, and a fourth channel is ignored', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      filter,
      fc.array(fc.tuple(size, size, fc.nat(), fc.nat()), { minLength: 2, maxLength: 2 }),
      fc.constantFrom<3 | 4>(3, 4),
      (
        seed,
        interpolation,
        [[width = 1, height = 1, a = 0, b = 0] = [], [toWidth = 1, toHeight = 1, c = 0, d = 0] = []],
        channels,
      ) => {
        const image = noise(width, height, seed, channels);
        const region = { left: a % width, top: b % height, width: width - (a % width), height: height - (b % height) };
        const window = { left: c % toWidth, top: d % toHeight, width: toWidth - (c % toWidth), height: 1 };
        const part = resizeImage(image, { width: toWidth, height: toHeight, interpolation, region, window });

        const cropped: number[] = [];
        for (let y = region.top; y < height; y++) {
          for (let x = region.left; x < width; x++) {
            const from = (y * width + x) * channels;
            cropped.push(...image.data.subarray(from, from + 3));
          }
        }
        const source: RgbImage = { ...region, data: Uint8Array.from(cropped), channels: 3 };
        const whole = resizeImage(source, { width: toWidth, height: toHeight, interpolation });
        const from = (window.top * toWidth + window.left) * 3;
        expect([...part.data]).toEqual([...whole.data.subarray(from, from + window.width * 3)]);
      },
    ),
  );
});

test.each([
  ['bicubic', 'bHJpeXZ4foGDfoiKgXZkcXp8hnqDfo+Fjn17a2x3iHmHgZGDlYSMbHRyfnh7g5KGk4mZdn5zgXZ8eIl/'],
  ['bilinear', 'bHZqenZ7foCBfoeEfndndXh8g32Cf4qFi3t8cW51hnmHhI6DkISIcHh2e3d9g5OEj4eXeX55gHd7eYd+'],
] as const)('a box between pixels is spread over the result as Pillow 12.3 spreads it (%s)', (interpolation, known) => {
  const data = Uint8Array.from({ length: 12 * 10 * 3 }, (_, index) => (index * 37 + (index >> 4) * 11) % 256);
  const box = { left: 0.5, top: 0, right: 11.25, bottom: 9.5 };
  const options = { width: 5, height: 4, interpolation, box };
  const result = resizeImage({ data, width: 12, height: 10, channels: 3 }, options);
  expect(Buffer.from(result.data).toString('base64')).toBe(known);
});

test('a region or window that reaches outside is refused', () => {
  const image = noise(4, 4, 0);
  const window = { left: 1, top: 0, width: 2, height: 2 };
  expect(() => resizeImage(image, { width: 2, height: 2, interpolation: 'bicubic', window })).toThrow(RangeError);
  const region = { left: -1, top: 0, width: 2, height: 2 };
  expect(() => resizeImage(image, { width: 2, height: 2, interpolation: 'bicubic', region })).toThrow(RangeError);
  const box = { left: 0, top: 0, right: 4.5, bottom: 4 };
  expect(() => resizeImage(image, { width: 2, height: 2, interpolation: 'bicubic', box })).toThrow(RangeError);
  expect(() => resizeImage(image, { width: 2.5, height: 2, interpolation: 'bicubic' })).toThrow(RangeError);
});
