/**
 * Bitmaps beside those that Pillow read (`formats.test.ts`): steps within runs, which Pillow reads
 * wrongly, and files that are cut short or lie about their size.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBitmap } from '../../../src/data/decoding/bitmap.ts';

interface BitmapFile {
  readonly width: number;
  readonly height: number;
  readonly bits: number;
  readonly compression?: number;
  readonly palette?: readonly number[];
  readonly pixels: readonly number[];
}

/** BITMAPFILEHEADER, BITMAPINFOHEADER, palette, pixels. */
function bitmap({ width, height, bits, compression = 0, palette = [], pixels }: BitmapFile): Buffer {
  const header = Buffer.alloc(54);
  header.write('BM');
  header.writeUInt32LE(54 + palette.length, 10);
  header.writeUInt32LE(40, 14);
  header.writeInt32LE(width, 18);
  header.writeInt32LE(height, 22);
  header.writeUInt16LE(1, 26);
  header.writeUInt16LE(bits, 28);
  header.writeUInt32LE(compression, 30);
  header.writeUInt32LE(palette.length / 4, 46);
  return Buffer.concat([header, Buffer.from(palette), Buffer.from(pixels)]);
}

/** Index n is the grey n. */
const greys = Array.from({ length: 16 }, (_, grey) => [grey, grey, grey, 0]).flat();
const indices = (file: Omit<BitmapFile, 'palette'>): number[] =>
  [...decodeBitmap(bitmap({ ...file, palette: greys })).data].filter((_, index) => index % 3 === 0);

test('runs, steps, rows that end early, indices beside the picture', () => {
  const pixels = [3, 7, 0, 0, 1, 1, 0, 2, 2, 1, 9, 5, 0, 1];
  expect(indices({ width: 5, height: 3, bits: 8, compression: 1, pixels })).toEqual(
    [
      [0, 0, 0, 5, 5],
      [1, 0, 0, 0, 0],
      [7, 7, 7, 0, 0],
    ].flat(),
  );
  expect(indices({ width: 5, height: 1, bits: 4, compression: 2, pixels: [0, 3, 0x12, 0x30, 2, 0x45, 0, 0] })).toEqual([
    1, 2, 3, 4, 5,
  ]);
});

test('what is cut short is refused', () => {
  const runs = { width: 4, height: 2, bits: 8, compression: 1, palette: greys };
  for (const pixels of [[], [4, 1], [4, 1, 0, 0, 2, 1], [0, 2, 1], [0, 5, 1, 2]])
    expect(() => decodeBitmap(bitmap({ ...runs, pixels }))).toThrow('the bitmap is cut short');
  const rows = Array.from({ length: 16 }, () => 1);
  expect(() => decodeBitmap(bitmap({ width: 2, height: 2, bits: 24, pixels: rows.slice(0, 13) }))).toThrow('cut short');
  const whole = bitmap({ width: 2, height: 2, bits: 8, palette: greys, pixels: [1, 2, 0, 0, 3, 4, 0, 0] });
  for (let length = 0; length < whole.length - 2; length++)
    expect(() => decodeBitmap(whole.subarray(0, length))).toThrow();
});

test('sizes and kinds that cannot be are refused in words, before memory is taken', () => {
  const file = { bits: 8, palette: greys, pixels: [0, 1] };
  const huge = { width: 2 ** 31 - 1, height: 2 ** 31 - 1 };
  expect(() => decodeBitmap(bitmap({ ...file, ...huge }))).toThrow('more than the 178 million');
  expect(() => decodeBitmap(bitmap({ ...file, width: 10_000, height: 10_000 }))).toThrow('cut short');
  expect(() =>
    decodeBitmap(bitmap({ ...file, width: 10_000, height: 10_000, compression: 1, pixels: [9, 1] })),
  ).toThrow('more than its 120 bytes can hold');
  expect(() => decodeBitmap(bitmap({ ...file, width: 0, height: 3 }))).toThrow('0 × 3 pixels');
  expect(() => decodeBitmap(bitmap({ ...file, width: 2, height: 2, compression: 4 }))).toThrow(
    '8 bits with compression 4',
  );
  expect(() => decodeBitmap(bitmap({ ...file, width: 2, height: 2, bits: 7 }))).toThrow('7 bits with compression 0');
});

test('any bytes are an image or an error', () => {
  const kinds = fc.constantFrom<[number, number]>(
    [1, 0],
    [4, 0],
    [8, 0],
    [8, 1],
    [4, 2],
    [16, 0],
    [16, 3],
    [24, 0],
    [32, 3],
  );
  const side = fc.integer({ min: -3, max: 9 });
  fc.assert(
    fc.property(kinds, side, side, fc.uint8Array({ maxLength: 80 }), ([bits, compression], width, height, pixels) => {
      try {
        const image = decodeBitmap(bitmap({ width, height, bits, compression, pixels: [...pixels] }));
        expect(image.data.length).toBe(3 * width * Math.abs(height));
      } catch (error) {
        expect(String(error)).toMatch(/cut short|pixels/);
      }
    }),
  );
});
