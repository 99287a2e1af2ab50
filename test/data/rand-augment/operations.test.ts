/**
 * RandAugment's operations: equal to what Pillow 9.4 made of a small image (`pillow.json`:
 * `ImageOps`, `ImageEnhance`, `Image.rotate` and `Image.transform`, results in base64), and to
 * plain statements of the definitions on any image.
 */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as fc from 'fast-check';
import type { RgbImage } from '../../../src/data/pillow-resize.ts';
import * as affine from '../../../src/data/rand-augment/affine.ts';
import type { Geometry } from '../../../src/data/rand-augment/affine.ts';
import * as enhancement from '../../../src/data/rand-augment/enhancement.ts';
import * as tone from '../../../src/data/rand-augment/tone.ts';
import { RandomGenerator } from '../../../src/data/random.ts';
import * as plain from './plain-pillow.ts';

interface PillowResult {
  readonly operation: string;
  readonly argument: number;
  readonly interpolation?: Geometry['interpolation'];
  /** The image is repeated so many times each way; the result is its first copy. */
  readonly tiles?: number;
  readonly result: string;
}

const pillow = JSON.parse(readFileSync(new URL('./pillow.json', import.meta.url), 'utf8')) as {
  readonly width: number;
  readonly height: number;
  readonly fill: Geometry['fill'];
  readonly image: string;
  readonly results: readonly PillowResult[];
};

type Operation = (image: RgbImage, argument: number, geometry: Geometry) => RgbImage;
const operations: Record<string, Operation> = {
  invert: tone.invert,
  autocontrast: tone.autocontrast,
  equalize: tone.equalize,
  posterize: tone.posterize,
  solarize: tone.solarize,
  solarizeAdd: tone.solarizeAdd,
  adjustColour: enhancement.adjustColour,
  adjustContrast: enhancement.adjustContrast,
  adjustBrightness: enhancement.adjustBrightness,
  adjustSharpness: enhancement.adjustSharpness,
  rotate: affine.rotate,
  shearX: affine.shearX,
  shearY: affine.shearY,
  translateX: affine.translateX,
  translateY: affine.translateY,
};

/** The image of `pillow.json` repeated. */
function tiled(data: Uint8Array, tiles: number): RgbImage {
  const { width, height } = pillow;
  const row = (y: number): number[] => [...data.subarray(y * width * 3, (y + 1) * width * 3)];
  const rows = Array.from({ length: height * tiles }, (_, y) => Array.from({ length: tiles }, () => row(y % height)));
  return { data: Uint8Array.from(rows.flat(2)), width: width * tiles, height: height * tiles, channels: 3 };
}

test('every operation is in the file of Pillow’s results', () => {
  expect(new Set(pillow.results.map(({ operation }) => operation))).toEqual(new Set(Object.keys(operations)));
});

test.each(pillow.results.map((result) => [result.operation, result.argument, result.interpolation ?? '', result]))(
  '%s(%d) %s is Pillow’s, byte for byte',
  (_, __, ___, expected) => {
    const { operation, argument, interpolation = 'bicubic', tiles = 1, result } = expected as PillowResult;
    const image = tiled(new Uint8Array(Buffer.from(pillow.image, 'base64')), tiles);
    const data = image.data.slice();
    const changed = operations[operation]?.(image, argument, { interpolation, fill: pillow.fill });
    const rows = Array.from({ length: pillow.height }, (_, y) => [
      ...(changed?.data.subarray(y * image.width * 3, (y * image.width + pillow.width) * 3) ?? []),
    ]);
    expect(rows.flat()).toEqual([...Buffer.from(result, 'base64')]);
    expect(image.data).toEqual(data);
  },
);

const image: fc.Arbitrary<RgbImage> = fc
  .tuple(fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 255 }))
  .chain(([width, height, brightest]) =>
    fc
      .array(fc.integer({ min: 0, max: brightest }), {
        minLength: width * height * 3,
        maxLength: width * height * 3,
        size: 'max',
      })
      .map((values) => ({ data: Uint8Array.from(values), width, height, channels: 3 as const })),
  );

test.each([
  ['autocontrast', tone.autocontrast, plain.autocontrast, fc.constant(0)],
  ['posterize', tone.posterize, plain.posterize, fc.integer({ min: 0, max: 8 })],
  ['solarize', tone.solarize, plain.solarize, fc.integer({ min: 0, max: 256 })],
  ['solarizeAdd', tone.solarizeAdd, plain.solarizeAdd, fc.integer({ min: 0, max: 110 })],
] as const)('%s is its plain definition', (_, fast, definition, argument) => {
  fc.assert(
    fc.property(image, argument, (source, value) => {
      expect([...fast(source, value).data]).toEqual(definition(source, value));
    }),
    { numRuns: 40 },
  );
});

test('equalize is its plain definition, on images with enough pixels to be changed', () => {
  const sides = fc.tuple(fc.integer({ min: 16, max: 60 }), fc.integer({ min: 16, max: 60 }));
  fc.assert(
    fc.property(fc.integer(), sides, fc.integer({ min: 1, max: 256 }), (seed, [width, height], levels) => {
      const random = new RandomGenerator(seed);
      const data = Uint8Array.from({ length: width * height * 3 }, () => random.integer(levels));
      const source: RgbImage = { data, width, height, channels: 3 };
      expect([...tone.equalize(source).data]).toEqual(plain.equalize(source));
    }),
    { numRuns: 12 },
  );
});

/** Every byte is its exact value without the fraction, but for errors of rounding. */
function expectTruncated({ data }: RgbImage, exact: readonly number[], tolerance: number): void {
  expect(data.length).toBe(exact.length);
  const wrong = exact.filter((value, index) => {
    const byte = data[index] ?? -9;
    return byte > value + tolerance || byte <= value - 1 - tolerance;
  });
  expect(wrong).toEqual([]);
}

test.each([
  ['adjustColour', enhancement.adjustColour, plain.adjustColour],
  ['adjustContrast', enhancement.adjustContrast, plain.adjustContrast],
  ['adjustBrightness', enhancement.adjustBrightness, plain.adjustBrightness],
  ['adjustSharpness', enhancement.adjustSharpness, plain.adjustSharpness],
] as const)('%s is its plain definition, truncated', (_, fast, definition) => {
  fc.assert(
    fc.property(image, fc.double({ min: 0, max: 2, noNaN: true }), (source, factor) => {
      expectTruncated(fast(source, factor), definition(source, factor), 1e-4);
    }),
    { numRuns: 40 },
  );
});

const number = (largest: number): fc.Arbitrary<number> => fc.double({ min: -largest, max: largest, noNaN: true });

test('any affine transformation is its plain definition, truncated', () => {
  const interpolation = fc.constantFrom('bicubic' as const, 'bilinear' as const);
  const matrix = fc.tuple(number(2), number(2), number(9), number(2), number(2), number(9));
  fc.assert(
    fc.property(image, matrix, interpolation, (source, matrix, interpolation) => {
      const geometry = { interpolation, fill: [1, 2, 3] } as const;
      const fast = affine.transformAffine(source, matrix, geometry);
      expectTruncated(fast, plain.transformAffine(source, matrix, geometry), 1e-6);
    }),
    { numRuns: 60 },
  );
});

test('moves by whole pixels copy them, and fill what comes in', () => {
  const data = Uint8Array.from({ length: 4 * 2 * 3 }, (_, index) => index);
  const source: RgbImage = { data, width: 4, height: 2, channels: 3 };
  for (const interpolation of ['bicubic', 'bilinear'] as const) {
    const geometry: Geometry = { interpolation, fill: [90, 91, 92] };
    const row = (start: number): number[] => [...data.subarray(start + 3, start + 12), 90, 91, 92];
    expect([...affine.translateX(source, 0.25, geometry).data]).toEqual([...row(0), ...row(12)]);
    const filled = [90, 91, 92, 90, 91, 92, 90, 91, 92, 90, 91, 92];
    expect([...affine.translateY(source, -0.5, geometry).data]).toEqual([...filled, ...data.subarray(0, 12)]);
    expect(affine.rotate(source, 0, geometry).data).toEqual(data);
  }
});
