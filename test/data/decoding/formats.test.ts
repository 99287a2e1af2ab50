/**
 * The table of `docs/images.md`, row by row. Files of the rows "as Pillow" lie in `pillow.json`
 * with a digest of what Pillow 12.3 read, turned upright; what differs or is refused is made here.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../../src/data/decoding/decode-image.ts';
import { rgbOf, tiffFile } from './image-bytes.ts';

interface PillowFile {
  /** The row. */
  readonly kind: string;
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** Of the RGB bytes. */
  readonly sha256: string;
  /** Base64. */
  readonly bytes: string;
}

const { files } = JSON.parse(readFileSync(new URL('./pillow.json', import.meta.url), 'utf8')) as {
  readonly files: readonly PillowFile[];
};

interface Row {
  readonly file: string;
  readonly pixels: string;
}

const rows = [
  ...readFileSync('docs/images.md', 'utf8').matchAll(
    /^\| ([A-Z][^|]*) \| (?:[^|]*) \| (as Pillow|differs|refused) \|/gm,
  ),
].map(([, file = '', pixels = '']): Row => ({ file, pixels }));

const rowsOf = (pixels: string): string[] =>
  rows
    .filter((row) => row.pixels === pixels)
    .map(({ file }) => file)
    .sort();

describe('files that are read as Pillow reads them', () => {
  it('are those of the table', () => {
    expect(rowsOf('as Pillow')).toEqual([...new Set(files.map(({ kind }) => kind))].sort());
  });

  it.each(files)('$kind: $name', async ({ bytes, width, height, sha256 }) => {
    const image = await decodeImage(Buffer.from(bytes, 'base64'));
    expect([image.width, image.height]).toEqual([width, height]);
    expect(createHash('sha256').update(rgbOf(image)).digest('hex')).toBe(sha256);
  });
});

const grey16 = Uint16Array.from({ length: 256 }, (_, index) => index * 257);
const highBytes = [...grey16].flatMap((value) => [value >> 8, value >> 8, value >> 8]);
const colours = Buffer.from(Array.from({ length: 16 * 16 * 3 }, (_, index) => 40 + ((index * 5) % 160)));
const coloured = sharp(colours, { raw: { width: 16, height: 16, channels: 3 } });

/** Pixels of files that are read otherwise than by Pillow, as they must be, and how near. */
const different: Record<string, () => Promise<{ bytes: Uint8Array; pixels: ArrayLike<number>; within?: number }>> = {
  'PNG, 16-bit grey': async () => {
    const image = sharp(grey16, { raw: { width: 16, height: 16, channels: 1 } }).toColourspace('grey16');
    return { bytes: await image.png().toBuffer(), pixels: highBytes };
  },
  'TIFF, 16-bit grey': () => {
    const samples = { width: 16, height: 16, bits: 16, channels: 1, data: new Uint8Array(grey16.buffer) };
    return Promise.resolve({ bytes: tiffFile(samples), pixels: highBytes });
  },
  'GIF, transparent': async () => {
    const data = Buffer.from([255, 0, 0, 255, 0, 0, 255, 0]);
    const bytes = await sharp(data, { raw: { width: 2, height: 1, channels: 4 } })
      .gif()
      .toBuffer();
    return { bytes, pixels: [255, 0, 0, 0, 0, 0] };
  },
  AVIF: async () => ({
    bytes: await coloured.clone().avif({ lossless: true, chromaSubsampling: '4:4:4' }).toBuffer(),
    pixels: colours,
    within: 2,
  }),
};

describe('files that are read otherwise', () => {
  it('are those of the table', () => {
    expect(rowsOf('differs')).toEqual(Object.keys(different).sort());
  });

  it.each(Object.entries(different))('%s', async (_, make) => {
    const { bytes, pixels, within = 0 } = await make();
    const values = rgbOf(await decodeImage(bytes));
    expect(values.length).toBe(pixels.length);
    expect(
      Math.max(...Array.from(values, (value, index) => Math.abs(value - (pixels[index] ?? NaN)))),
    ).toBeLessThanOrEqual(within);
  });
});

/** A JPEG with another frame marker (SOFn) or precision. */
async function jpegWith(process: number, precision = 8): Promise<Uint8Array> {
  const bytes = await coloured.clone().jpeg().toBuffer();
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
  bytes[frame + 1] = 0xc0 + process;
  bytes[frame + 4] = precision;
  return bytes;
}

const isoMedia = (brand: string, like: string): Buffer =>
  Buffer.from(`\0\0\0\x18ftyp${brand}\0\0\0\0${like}${brand}`, 'latin1');
const plain = { width: 2, height: 1, bits: 8, channels: 3, data: new Uint8Array(6) };

/** Files that are refused, each with words of the reason. */
const refused: Record<string, () => Promise<readonly (readonly [Uint8Array, string])[]>> = {
  'JPEG, 12 bits, lossless or hierarchical': async () => [
    [await jpegWith(1, 12), 'a JPEG of 12 bits per colour'],
    [await jpegWith(3), 'a lossless JPEG'],
    [await jpegWith(5), 'a hierarchical JPEG'],
  ],
  'TIFF, ZSTD or LZMA': () =>
    Promise.resolve([
      [tiffFile({ ...plain, compression: 50_000 }), 'compressed with ZSTD'],
      [tiffFile({ ...plain, compression: 34_925 }), 'compressed with LZMA'],
    ]),
  'TIFF, floating point or 32 bits': () =>
    Promise.resolve([
      [tiffFile({ ...plain, bits: 32, data: new Uint8Array(24), format: 3 }), 'of the type float'],
      [tiffFile({ ...plain, bits: 32, data: new Uint8Array(24) }), 'of the type uint'],
    ]),
  'HEIC, JPEG XL, JPEG 2000, SVG, PDF, PPM': () =>
    Promise.resolve([
      [isoMedia('heic', 'mif1'), 'it is HEIC, which is not read: save it as JPEG or PNG'],
      [isoMedia('mp42', 'isom'), 'it is a film'],
      [Buffer.from('\xff\x0a\xfa\x7f', 'latin1'), 'it is JPEG XL'],
      [Buffer.from('\0\0\0\x0cjP  \r\n\x87\n', 'latin1'), 'it is JPEG 2000'],
      [Buffer.from('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'), 'it is an SVG drawing'],
      [Buffer.from('%PDF-1.7'), 'it is a PDF document'],
      [Buffer.from('P6\n1 1\n255\nabc'), 'it is a PPM'],
      [Buffer.from('<!DOCTYPE html><title>404</title>'), 'it is a web page'],
      [Buffer.from('version https://git-lfs.github.com/spec/v1\n'), 'it is a Git LFS pointer'],
      [Buffer.from('just words'), 'it is text and no image'],
      [Buffer.from([1, 2, 3, 250]), 'no image of a known kind'],
      [new Uint8Array(), 'the file is empty'],
    ]),
};

describe('files that are refused', () => {
  it('are those of the table', () => {
    expect(rowsOf('refused')).toEqual(Object.keys(refused).sort());
  });

  it.each(Object.entries(refused))('%s, with a reason of one line', async (_, make) => {
    for (const [bytes, words] of await make()) {
      const reason: unknown = await decodeImage(bytes).catch((error: unknown) => error);
      expect(reason).toBeInstanceOf(Error);
      const { message } = reason as Error;
      expect(message).toContain(words);
      expect(message).not.toContain('\n');
      expect(message.length).toBeLessThan(150);
    }
  });
});
