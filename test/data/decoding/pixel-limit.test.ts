/** Sizes that files claim: too many pixels, or more than their bytes can hold. */
import sharp from 'sharp';
import type { Sharp } from 'sharp';
import { expect, it } from 'vitest';
import { decodeImage } from '../../../src/data/decoding/decode-image.ts';
import {
  checkJpegContent,
  checkPixels,
  checkPngContent,
  checkRunsContent,
} from '../../../src/data/decoding/pixel-limit.ts';

const plain = (width: number, height: number, channels: 1 | 3 = 3): Sharp =>
  sharp(Buffer.alloc(width * height * channels, 90), { raw: { width, height, channels } });

it('a PNG of some hundred bytes does not have 13,000 × 13,000 pixels', async () => {
  const small = await plain(20, 20).png().toBuffer();
  const png = Buffer.concat([small, Buffer.alloc(900 - small.length)]);
  png.writeUInt32BE(13_000, 16);
  png.writeUInt32BE(13_000, 20);
  await expect(decodeImage(png)).rejects.toThrow(
    'it claims 13000 × 13000 pixels, more than its 900 bytes can hold: it is damaged',
  );
});

it('a JPEG that claims more pixels than it has bits for is refused, too', () => {
  expect(() => checkJpegContent(8000, 8000, 100_000)).toThrow('it claims 8000 × 8000 pixels');
  expect(() => checkJpegContent(8000, 8000, 125_000)).not.toThrow();
});

it('a bitmap of runs that claims more pixels than runs can make is refused, and one of one colour is not', () => {
  expect(() => checkRunsContent(4, 16_777_219, 130)).toThrow('it claims 4 × 16777219 pixels');
  // Two bytes for each 255 pixels, and two at each row's end.
  expect(() => checkRunsContent(2550, 2000, 54 + 2000 * 22)).not.toThrow();
});

it('more pixels than are read, and none, are refused', () => {
  expect(() => checkPixels(20_000, 20_000)).toThrow('more than the 178 million that are read');
  expect(() => checkPixels(0, 5)).toThrow('it is 0 × 5 pixels large');
  expect(() => checkPixels(13_000, 13_000)).not.toThrow();
});

it.each([
  ['colour', () => plain(3000, 2500)],
  ['grey', () => plain(3000, 2500, 1).toColourspace('b-w')],
  ['palette', () => plain(3000, 2500)],
])('a large PNG of one colour passes: %s', async (kind, make) => {
  const bytes = await make()
    .png({ compressionLevel: 9, palette: kind === 'palette', colours: 2 })
    .toBuffer();
  expect(() => checkPngContent(bytes)).not.toThrow();
});

it.each([false, true])('a large JPEG of one colour passes (progressive: %s)', async (progressive) => {
  const options = { progressive, quality: 1, chromaSubsampling: '4:2:0', optimizeCoding: true };
  for (const picture of [plain(4000, 3000), plain(4000, 3000, 1).toColourspace('b-w')]) {
    const bytes = await picture.jpeg(options).toBuffer();
    expect(() => checkJpegContent(4000, 3000, bytes.length)).not.toThrow();
    const image = await decodeImage(bytes, {}, { resize: { width: 28, height: 28 } });
    expect([image.width, image.height]).toEqual([500, 375]);
  }
});
