/** Targets: IDX files, bitmaps, and the headers of JPEG and PNG files. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 as crc } from '../png-checksum.ts';
import { decodeImageFile } from '../../../src/data/decoding/decode-image.ts';
import { openImages } from '../../../src/data/open-images.ts';
import { middleShare } from '../target.ts';
import type { FuzzTarget } from '../target.ts';
import { bitmapFiles } from '../bitmap-files.ts';

/** A small picture, `[height, width, 3]`. */
const size = { width: 24, height: 16, channels: 3 } as const;
const pixels = Uint8Array.from({ length: size.width * size.height * 3 }, (_, index) => (index * 37) % 256);

async function photographs(): Promise<import('sharp').Sharp> {
  const { default: sharp } = await import('sharp');
  return sharp(pixels, { raw: size });
}

const bytesOf = async (picture: import('sharp').Sharp): Promise<Uint8Array> => new Uint8Array(await picture.toBuffer());

async function jpegSeeds(): Promise<Uint8Array[]> {
  const picture = await photographs();
  return Promise.all([
    bytesOf(picture.clone().jpeg()),
    bytesOf(picture.clone().jpeg({ progressive: true, chromaSubsampling: '4:4:4' })),
    bytesOf(picture.clone().greyscale().jpeg()),
    bytesOf(picture.clone().jpeg().withMetadata({ orientation: 6 })),
    bytesOf(picture.clone().toColourspace('cmyk').jpeg()),
  ]);
}

async function pngSeeds(): Promise<Uint8Array[]> {
  const picture = await photographs();
  return Promise.all([
    bytesOf(picture.clone().png()),
    bytesOf(picture.clone().png({ palette: true, colours: 16 })),
    bytesOf(picture.clone().greyscale().png()),
    bytesOf(picture.clone().toColourspace('rgb16').png()),
    bytesOf(picture.clone().ensureAlpha(0.5).png({ progressive: true })),
    bytesOf(picture.clone().png().withMetadata({ orientation: 3 })),
  ]);
}

/** Chunks with the checksums that they should have; what follows a broken chunk stays. */
function withChecksums(bytes: Uint8Array): Uint8Array {
  const repaired = bytes.slice();
  const view = new DataView(repaired.buffer);
  for (let at = 8; at + 12 <= repaired.length;) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > repaired.length) break;
    view.setUint32(end, crc(repaired.subarray(at + 4, end)));
    at = end + 4;
  }
  return repaired;
}

const decodes =
  (name: string): FuzzTarget['run'] =>
  async (bytes, folder) => {
    const file = join(folder, name);
    await writeFile(file, bytes);
    await decodeImageFile(file);
  };

/** JPEG files. */
export const jpeg: FuzzTarget = { name: 'jpeg', share: middleShare, seeds: jpegSeeds, run: decodes('photo.jpg') };

/** PNG files, with checksums that fit every other time. */
export const png: FuzzTarget = {
  name: 'png',
  share: middleShare,
  seeds: pngSeeds,
  repair: withChecksums,
  run: decodes('photo.png'),
};

/** Windows bitmaps. */
export const bmp: FuzzTarget = { name: 'bmp', seeds: () => Promise.resolve(bitmapFiles()), run: decodes('photo.bmp') };

function idxFile(dimensions: readonly number[], data: Uint8Array): Uint8Array {
  const header = new DataView(new ArrayBuffer(4 + 4 * dimensions.length));
  header.setUint32(0, 0x0800 + dimensions.length);
  for (const [index, dimension] of dimensions.entries()) header.setUint32(4 + 4 * index, dimension);
  return new Uint8Array(Buffer.concat([new Uint8Array(header.buffer), data]));
}

async function idxSeeds(): Promise<Uint8Array[]> {
  const { gzipSync } = await import('node:zlib');
  const plain = idxFile([3, 4, 4], pixels.subarray(0, 48));
  return [plain, new Uint8Array(gzipSync(plain)), idxFile([5], pixels.subarray(0, 5))];
}

/** IDX files of images, with sound labels beside them. */
export const idx: FuzzTarget = {
  name: 'idx',
  seeds: idxSeeds,
  prepare: (folder) => writeFile(join(folder, 'some-labels-idx1-ubyte'), idxFile([3], pixels.subarray(0, 3))),
  run: async (bytes, folder) => {
    const file = join(folder, 'some-images-idx3-ubyte');
    await writeFile(file, bytes);
    const source = await openImages(file);
    const [first] = source.images;
    if (first !== undefined) await source.decode(first);
  },
};
