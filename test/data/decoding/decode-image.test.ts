/**
 * Decoding beside what `formats.test.ts` holds by format: what is left alone, a reason for
 * everything that is no image, and nothing of one image in another.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Sharp } from 'sharp';
import { expect, test } from 'vitest';
import { decodeImage, decodeImageFile } from '../../../src/data/decoding/decode-image.ts';
import { decodeWithLibvips } from '../../../src/data/decoding/libvips.ts';
import { DiffrateError } from '../../../src/errors.ts';
import { rgbOf, tiffFile } from './image-bytes.ts';

const rgb = (image: Parameters<typeof rgbOf>[0]): number[] => [...rgbOf(image)];

function gradient(width: number, height: number): Sharp {
  const data = Buffer.from(
    Array.from({ length: width * height * 3 }, (_, index) => (index * 37 + (index >> 5) * 11) % 256),
  );
  return sharp(data, { raw: { width, height, channels: 3 } });
}

test('colour profiles are left alone', async () => {
  const marked = await gradient(20, 10).withIccProfile('p3').jpeg().toBuffer();
  const raw = await sharp(marked, { ignoreIcc: true }).raw().toBuffer();
  expect(rgb(await decodeImage(marked))).toEqual([...raw]);
});

test('alpha is dropped, not blended', async () => {
  const pixels = Buffer.from([10, 20, 30, 0, 200, 100, 50, 128]);
  const raw = sharp(pixels, { raw: { width: 2, height: 1, channels: 4 } });
  for (const bytes of [
    await raw.clone().png().toBuffer(),
    await raw.clone().webp({ lossless: true, exact: true }).toBuffer(),
  ]) {
    expect(rgb(await decodeImage(bytes))).toEqual([10, 20, 30, 200, 100, 50]);
  }
});

test('16 bits: a warning where cutting them to 8 loses the picture, and none for white paper', async () => {
  const grey = (values: readonly number[]): Buffer =>
    tiffFile({ width: 40, height: 40, bits: 16, channels: 1, data: new Uint8Array(Uint16Array.from(values).buffer) });
  const pixels = Array.from({ length: 1600 }, (_, index) => index);
  const warningOf = async (value: (index: number) => number): Promise<string | undefined> =>
    (await decodeImage(grey(pixels.map(value)))).warning;
  expect(await warningOf((index) => index * 40)).toBeUndefined();
  expect(await warningOf((index) => (index < 1590 ? 65_535 : index * 40))).toBeUndefined();
  expect(await warningOf((index) => (index % 2) * 65_535)).toBeUndefined();
  expect(await warningOf((index) => index % 256)).toContain('100 % of it are one value');
  // 12 bits in 16.
  expect(await warningOf((index) => (index * 2.5) & 4095)).toContain('16 levels are left');
  expect((await decodeImage(await gradient(8, 8).png().toBuffer())).warning).toBeUndefined();
});

test('what is no image or is cut short is refused with a reason, and the next image still decodes', async () => {
  const good = await gradient(64, 64).jpeg().toBuffer();
  const expected = rgb(await decodeImage(good));
  const broken: [string | RegExp, Uint8Array][] = [
    ['empty', new Uint8Array()],
    ['it is text', Buffer.from('this is a text, not an image')],
    ['cut short', good.subarray(0, good.length / 2)],
    ['cut short', good.subarray(0, 3 + 20)],
    [/./, Buffer.concat([good.subarray(0, 4), Buffer.alloc(500, 7), Buffer.from([0xff, 0xd9])])],
    [/./, (await gradient(64, 64).png().toBuffer()).subarray(0, 400)],
  ];
  for (const [reason, bytes] of broken) {
    await expect(decodeImage(bytes)).rejects.toThrow(reason);
    expect(rgb(await decodeImage(good))).toEqual(expected);
  }
});

test('side by side, a JPEG that is cut short leaves others alone', async () => {
  const good = await gradient(64, 64).jpeg().toBuffer();
  const broken = Buffer.concat([good.subarray(0, -60), Buffer.from([0xff, 0xd9])]);
  const results = await Promise.allSettled([broken, good, broken, good].map((bytes) => decodeImage(bytes)));
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled']);
});

test('every format is refused where it is cut short, in words of one line', async () => {
  const image = gradient(64, 64);
  const files = [
    image.clone().png(),
    image.clone().png({ palette: true }),
    image.clone().gif(),
    image.clone().webp(),
    image.clone().webp({ lossless: true }),
    image.clone().tiff({ compression: 'lzw' }),
    image.clone().tiff({ compression: 'none' }),
    image.clone().avif({ effort: 0 }),
    image.clone().jpeg({ progressive: true }),
    image.clone().toColourspace('cmyk').jpeg(),
  ];
  for (const bytes of await Promise.all(files.map((file) => file.toBuffer()))) {
    for (const part of [0.2, 0.5, 0.9]) {
      const error: unknown = await decodeImage(bytes.subarray(0, bytes.length * part)).catch(
        (reason: unknown) => reason,
      );
      expect(String(error)).toMatch(/^Error: the (?:JPEG|PNG|GIF|WebP|TIFF|AVIF) is (?:damaged or )?cut short$/);
    }
  }
});

test('blemishes that cost no pixels are let through', async () => {
  const png = await gradient(16, 16).png().toBuffer();
  // The tick of a time chunk is wrong, and so is its check sum.
  const chunk = Buffer.concat([Buffer.from([0, 0, 0, 7]), Buffer.from('tIME'), Buffer.alloc(7, 99), Buffer.alloc(4)]);
  const blemished = Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33), Buffer.from('trailing')]);
  expect(rgb(await decodeImage(blemished))).toEqual(rgb(await decodeImage(png)));
  const jpeg = await gradient(16, 16).jpeg().toBuffer();
  const exif = Buffer.from('\xff\xe1\0\x16Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0', 'latin1');
  const stray = Buffer.concat([
    jpeg.subarray(0, 2),
    exif,
    jpeg.subarray(2, -2),
    Buffer.from([1, 2, 3]),
    jpeg.subarray(-2),
  ]);
  expect(rgb(await decodeImage(stray))).toEqual(rgb(await decodeImage(jpeg)));
});

test('sizes that no memory holds are refused before any is taken', async () => {
  const jpeg = await gradient(16, 16).jpeg().toBuffer();
  const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
  jpeg.writeUInt16BE(60_000, frame + 5);
  jpeg.writeUInt16BE(50_000, frame + 7);
  await expect(decodeImage(jpeg)).rejects.toThrow(
    /^it claims 50000 × 60000 pixels, more than its \d+ bytes can hold: it is damaged$/,
  );
  const png = await gradient(16, 16).png().toBuffer();
  png.writeUInt32BE(60_000, 16);
  png.writeUInt32BE(60_000, 20);
  await expect(decodeImage(png)).rejects.toThrow(/pixels|damaged/);
});

test('a JPEG with an embedded thumbnail that was cut short after it is still found out', async () => {
  const thumbnail = await gradient(8, 8).jpeg().toBuffer();
  const good = await gradient(64, 64).jpeg().toBuffer();
  const length = thumbnail.length + 2;
  const segment = Buffer.concat([Buffer.from([0xff, 0xe1, length >> 8, length & 255]), thumbnail]);
  const whole = Buffer.concat([good.subarray(0, 2), segment, good.subarray(2)]);
  expect(rgb(await decodeImage(whole))).toEqual(rgb(await decodeImage(good)));
  await expect(decodeImage(whole.subarray(0, whole.length - 200))).rejects.toThrow('cut short');
});

test('a file is named in the error', async () => {
  const error: unknown = await decodeImageFile('does/not/exist.jpg').catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DiffrateError);
  expect(String(error)).toContain("'does/not/exist.jpg'");
});

const realImages = join(process.env.DIFFRATE_DATA ?? '../shared/data', 'imagenet-val/images');
if (!existsSync(realImages)) console.warn(`skipped: real images are not at ${realImages}`);

test.skipIf(!existsSync(realImages))('MozJPEG and libvips agree on photographs', async () => {
  for (const file of readdirSync(realImages).slice(0, 25)) {
    const bytes = readFileSync(join(realImages, file));
    const { image } = await decodeWithLibvips(bytes, 'JPEG');
    expect(Buffer.from(rgbOf(await decodeImage(bytes))).equals(Buffer.from(rgbOf(image)))).toBe(true);
  }
});
