/**
 * Decoding: the same pixels as Pillow's `convert('RGB')` by format, and a reason for everything
 * that is no image.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Sharp } from 'sharp';
import { expect, test } from 'vitest';
import { decodeImage, decodeImageFile } from '../../src/data/decode.ts';
import type { RgbImage } from '../../src/data/pillow-resize.ts';
import { DiffrateError } from '../../src/errors.ts';

function rgb(image: RgbImage): number[] {
  return [...image.data].filter((_, index) => index % image.channels < 3);
}

function gradient(width: number, height: number): Sharp {
  const data = Buffer.from(
    Array.from({ length: width * height * 3 }, (_, index) => (index * 37 + (index >> 5) * 11) % 256),
  );
  return sharp(data, { raw: { width, height, channels: 3 } });
}

test.each([
  ['4:2:0', false],
  ['4:2:0', true],
  ['4:4:4', false],
  ['4:4:4', true],
])('both JPEG decoders agree (%s, progressive %s)', async (chromaSubsampling, progressive) => {
  for (const [width, height] of [
    [64, 48],
    [33, 17],
    [1, 1],
  ]) {
    const bytes = await gradient(width ?? 1, height ?? 1)
      .jpeg({ chromaSubsampling, progressive, quality: 70 })
      .toBuffer();
    const exact = await decodeImage(bytes, 'exact');
    const fast = await decodeImage(bytes, 'fast');
    expect([exact.width, exact.height]).toEqual([width, height]);
    expect(rgb(exact)).toEqual(rgb(fast));
  }
});

test('EXIF orientation and colour profiles are left alone, as torchvision leaves them', async () => {
  const plain = await gradient(20, 10).jpeg().toBuffer();
  const marked = await gradient(20, 10).withMetadata({ orientation: 6 }).withIccProfile('p3').jpeg().toBuffer();
  for (const decoder of ['exact', 'fast'] as const) {
    const image = await decodeImage(marked, decoder);
    expect([image.width, image.height]).toEqual([20, 10]);
    const raw = await sharp(marked, { ignoreIcc: true }).raw().toBuffer();
    expect(rgb(image)).toEqual([...raw]);
  }
  expect(rgb(await decodeImage(plain)).length).toBe(600);
});

test('grey JPEGs have three equal channels', async () => {
  const bytes = await gradient(16, 16).greyscale().jpeg().toBuffer();
  for (const decoder of ['exact', 'fast'] as const) {
    const values = rgb(await decodeImage(bytes, decoder));
    expect(values.length).toBe(768);
    expect(values.every((value, index) => value === values[index - (index % 3)])).toBe(true);
  }
});

test('CMYK is converted by the plain formula, without a profile', async () => {
  const bytes = await gradient(8, 8)
    .toColourspace('cmyk')
    .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
    .toBuffer();
  const inks = await sharp(bytes, { ignoreIcc: true })
    .pipelineColourspace('cmyk')
    .toColourspace('cmyk')
    .raw()
    .toBuffer();
  const values = rgb(await decodeImage(bytes));
  values.forEach((value, index) => {
    const pixel = Math.floor(index / 3);
    const light = 1 - (inks[pixel * 4 + 3] ?? 0) / 255;
    const expected = 255 * light * (1 - (inks[pixel * 4 + (index % 3)] ?? 0) / 255);
    expect(Math.abs(value - expected)).toBeLessThanOrEqual(0.51);
  });
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

test('16 bits: grey is clipped at 255, colour is cut to the high byte', async () => {
  const grey = sharp(Uint16Array.from([0, 100, 255, 256, 60_000]), { raw: { width: 5, height: 1, channels: 1 } });
  const greyBytes = await grey.toColourspace('grey16').png().toBuffer();
  expect(rgb(await decodeImage(greyBytes))).toEqual([0, 100, 255, 255, 255].flatMap((value) => [value, value, value]));
  const colour = sharp(Uint16Array.from([0, 255, 256, 511, 60_000, 65_535]), {
    raw: { width: 2, height: 1, channels: 3 },
  });
  const colourBytes = await colour.toColourspace('rgb16').png().toBuffer();
  expect(rgb(await decodeImage(colourBytes))).toEqual([0, 0, 1, 1, 234, 255]);
});

/** A BMP file: headers, palette, rows padded to 4 bytes. */
function bitmap(width: number, height: number, bits: number, palette: number[], rows: number[][]): Buffer {
  const header = Buffer.alloc(54);
  header.write('BM');
  header.writeUInt32LE(54 + palette.length, 10);
  header.writeUInt32LE(40, 14);
  header.writeInt32LE(width, 18);
  header.writeInt32LE(height, 22);
  header.writeUInt16LE(1, 26);
  header.writeUInt16LE(bits, 28);
  return Buffer.concat([header, Buffer.from(palette), ...rows.map((row) => Buffer.from(row))]);
}

test('bitmaps of 24, 32, 8 and 1 bits, bottom up and top down', async () => {
  const expected = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
  const lower = [9, 8, 7, 12, 11, 10, 0, 0];
  const upper = [3, 2, 1, 6, 5, 4, 0, 0];
  expect(rgb(await decodeImage(bitmap(2, 2, 24, [], [lower, upper])))).toEqual(expected);
  expect(rgb(await decodeImage(bitmap(2, -2, 24, [], [upper, lower])))).toEqual(expected);
  expect(rgb(await decodeImage(bitmap(2, -1, 32, [], [[3, 2, 1, 9, 6, 5, 4, 9]])))).toEqual([1, 2, 3, 4, 5, 6]);
  const palette = [30, 20, 10, 0, 60, 50, 40, 0];
  const indexed = bitmap(3, 1, 8, palette, [[1, 0, 1, 0]]);
  expect(rgb(await decodeImage(indexed))).toEqual([40, 50, 60, 10, 20, 30, 40, 50, 60]);
  const twoColours = bitmap(3, 1, 1, palette, [[0b1010_0000, 0, 0, 0]]);
  expect(rgb(await decodeImage(twoColours))).toEqual([40, 50, 60, 10, 20, 30, 40, 50, 60]);
  await expect(decodeImage(bitmap(2, 2, 24, [], [lower]))).rejects.toThrow('cut short');
  await expect(decodeImage(bitmap(2, 2, 16, [], [lower, upper]))).rejects.toThrow('16 bits');
});

test('what is no image or is cut short is refused with a reason, and the next image still decodes', async () => {
  const good = await gradient(64, 64).jpeg().toBuffer();
  const expected = rgb(await decodeImage(good, 'fast'));
  const broken: [string | RegExp, Uint8Array][] = [
    ['empty', new Uint8Array()],
    ['unsupported', Buffer.from('this is a text, not an image')],
    ['cut short', good.subarray(0, good.length / 2)],
    ['cut short', good.subarray(0, 3 + 20)],
    [/./, Buffer.concat([good.subarray(0, 4), Buffer.alloc(500, 7), Buffer.from([0xff, 0xd9])])],
    [/./, (await gradient(64, 64).png().toBuffer()).subarray(0, 400)],
  ];
  for (const decoder of ['exact', 'fast'] as const) {
    for (const [reason, bytes] of broken) {
      await expect(decodeImage(bytes, decoder)).rejects.toThrow(reason);
      expect(rgb(await decodeImage(good, decoder))).toEqual(expected);
    }
  }
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

test.skipIf(!existsSync(realImages))('both decoders agree on photographs', async () => {
  for (const file of readdirSync(realImages).slice(0, 25)) {
    const bytes = readFileSync(join(realImages, file));
    const exact = await decodeImage(bytes, 'exact');
    const fast = await decodeImage(bytes, 'fast');
    expect(Buffer.from(rgb(exact)).equals(Buffer.from(rgb(fast)))).toBe(true);
  }
});
