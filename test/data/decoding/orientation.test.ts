/** EXIF orientation: all eight, in every format, by moving pixels and nothing else. */
import * as fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../../src/data/decoding/decode-image.ts';
import { exifOrientation } from '../../../src/data/decoding/exif.ts';
import { turned } from '../../../src/data/decoding/orientation.ts';
import type { DecodedImage } from '../../../src/data/decoded-image.ts';
import { rgbOf } from './image-bytes.ts';

/**
 * Where the upright image's pixel x, y is stored, by what EXIF says of the stored image's first row
 * and first column: 1 top and left, 2 top and right, 3 bottom and right, 4 bottom and left, 5 left
 * and top, 6 right and top, 7 right and bottom, 8 left and bottom.
 */
function storedAt(orientation: number, x: number, y: number, width: number, height: number): [number, number] {
  const [right, bottom] = [width - 1, height - 1];
  const places: [number, number][] = [
    [x, y],
    [right - x, y],
    [right - x, bottom - y],
    [x, bottom - y],
    [y, x],
    [y, bottom - x],
    [right - y, bottom - x],
    [right - y, x],
  ];
  return places[orientation - 1] ?? [x, y];
}

function expected(image: DecodedImage, orientation: number): number[][] {
  const { data, width, height, channels } = image;
  const [uprightWidth, uprightHeight] = orientation >= 5 ? [height, width] : [width, height];
  return Array.from({ length: uprightWidth * uprightHeight }, (_, place) => {
    const [x, y] = storedAt(orientation, place % uprightWidth, Math.floor(place / uprightWidth), width, height);
    return [...data.subarray((y * width + x) * channels, (y * width + x) * channels + 3)];
  });
}

const colours = (width: number, height: number): Buffer =>
  Buffer.from(Array.from({ length: width * height * 3 }, (_, index) => (index * 47 + (index >> 4) * 29) % 256));

const [width, height] = [7, 5];
const stored = sharp(colours(width, height), { raw: { width, height, channels: 3 } });

describe('turned', () => {
  it('moves pixels as EXIF says, for any size', () => {
    const size = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(size, size, fc.integer({ min: 1, max: 8 }), fc.constantFrom(3 as const, 4 as const), (w, h, o, c) => {
        const image = {
          data: Uint8Array.from({ length: w * h * c }, (_, index) => index),
          width: w,
          height: h,
          channels: c,
        };
        expect([...rgbOf(turned(image, o))]).toEqual(expected(image, o).flat());
      }),
    );
  });

  it('leaves what is no orientation as it is', () => {
    const image = { data: new Uint8Array(6), width: 2, height: 1, channels: 3 } as const;
    for (const orientation of [undefined, 0, 1, 9, NaN]) expect(turned(image, orientation)).toBe(image);
  });
});

describe.each([1, 2, 3, 4, 5, 6, 7, 8])('orientation %i', (orientation) => {
  const files = stored.clone().withMetadata({ orientation });

  it.each([
    ['JPEG', () => files.clone().jpeg()],
    ['CMYK JPEG', () => files.clone().toColourspace('cmyk').jpeg()],
    ['PNG', () => files.clone().png()],
    ['WebP', () => files.clone().webp({ lossless: true })],
    ['TIFF', () => files.clone().tiff({ compression: 'lzw' })],
  ])('%s', async (kind, make) => {
    const bytes = await make().toBuffer();
    const upright = await decodeImage(bytes);
    if (kind === 'TIFF') {
      // Upright in any case, as Pillow has it.
      expect([...rgbOf(upright)]).toEqual(
        expected({ data: colours(width, height), width, height, channels: 3 }, orientation).flat(),
      );
      expect(await decodeImage(bytes, { ignoreOrientation: true })).toEqual(upright);
      return;
    }
    const lying = await decodeImage(bytes, { ignoreOrientation: true });
    expect([lying.width, lying.height]).toEqual([width, height]);
    expect([upright.width, upright.height]).toEqual(orientation >= 5 ? [height, width] : [width, height]);
    expect([...rgbOf(upright)]).toEqual(expected(lying, orientation).flat());
  });
});

it('an AVIF, which libvips turns, is not turned again', async () => {
  const left = Buffer.concat([Buffer.alloc(16 * 8 * 3, 250), Buffer.alloc(16 * 8 * 3, 5)]);
  const image = sharp(left, { raw: { width: 16, height: 16, channels: 3 } });
  const bytes = await image
    .withMetadata({ orientation: 6 })
    .avif({ lossless: true, chromaSubsampling: '4:4:4' })
    .toBuffer();
  const { data, info } = await sharp(bytes).rotate().raw().toBuffer({ resolveWithObject: true });
  const decoded = await decodeImage(bytes);
  expect([decoded.width, decoded.height]).toEqual([info.width, info.height]);
  expect([...rgbOf(decoded)]).toEqual([...data]);
});

describe('of a JPEG', () => {
  const segment = (text: string): Buffer => {
    const content = Buffer.from(text, 'latin1');
    return Buffer.concat([Buffer.from([0xff, 0xe1, 0, content.length + 2]), content]);
  };
  const exif = (type: number, value: string): Buffer =>
    segment(`Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01${String.fromCharCode(type)}\0\x01\0\0\0${value}\0\0\0\0`);
  const xmp = (content: string): Buffer => segment(`http://ns.adobe.com/xap/1.0/\0<rdf:Description ${content}`);

  it.each([
    ['EXIF as a LONG', [exif(4, '\x06\0\0\0')], true],
    ['XMP, an attribute', [xmp('tiff:Orientation="6"/>')], true],
    ['XMP, an element', [xmp('><tiff:Orientation>6</tiff:Orientation>')], true],
    ['XMP beside EXIF that says nothing', [exif(2, '\x06\0\0\0'), xmp('tiff:Orientation="6"/>')], true],
    ['EXIF before XMP', [xmp('tiff:Orientation="6"/>'), exif(3, '\x01\0\0\0')], false],
    ['no orientation', [xmp('tiff:Orientation="9"/>')], false],
  ])('%s', async (_, segments, isTurned) => {
    const bytes = await stored.clone().jpeg().toBuffer();
    const image = await decodeImage(Buffer.concat([bytes.subarray(0, 2), ...segments, bytes.subarray(2)]));
    expect([image.width, image.height]).toEqual(isTurned ? [height, width] : [width, height]);
  });
});

describe('the reader of EXIF', () => {
  const block = (order: 'II' | 'MM', entries: readonly [tag: number, type: number, value: number][]): Uint8Array => {
    const bytes = Buffer.alloc(10 + 12 * entries.length);
    const little = order === 'II';
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    bytes.write(order, 'latin1');
    view.setUint16(2, 42, little);
    view.setUint32(4, 8, little);
    view.setUint16(8, entries.length, little);
    for (const [index, [tag, type, value]] of entries.entries()) {
      view.setUint16(10 + 12 * index, tag, little);
      view.setUint16(12 + 12 * index, type, little);
      view.setUint32(14 + 12 * index, 1, little);
      view.setUint16(18 + 12 * index, value, little);
    }
    return bytes;
  };

  it('takes both byte orders', () => {
    for (const order of ['II', 'MM'] as const) {
      expect(
        exifOrientation(
          block(order, [
            [271, 2, 9],
            [274, 3, 6],
          ]),
        ),
      ).toBe(6);
      expect(exifOrientation(block(order, [[274, 3, 9]]))).toBeUndefined();
      expect(exifOrientation(block(order, [[271, 2, 9]]))).toBeUndefined();
    }
  });

  it('is not troubled by anything', () => {
    const sound = block('MM', [[274, 3, 6]]);
    for (let length = 0; length < sound.length; length++)
      expect(exifOrientation(sound.subarray(0, length))).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const orientation = exifOrientation(bytes);
        expect(orientation === undefined || (orientation >= 1 && orientation <= 8)).toBe(true);
      }),
    );
  });
});
