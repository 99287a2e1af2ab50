/**
 * Reader of bitmaps (BMP), which libvips does not read: with a palette (1, 2, 4, 8 bits, also
 * run-length encoded), 16, 24 and 32 bits with any colour masks, of Windows and OS/2. Rows are
 * padded to 4 bytes. Values of fewer than 8 bits are scaled as Pillow scales them, rounded down.
 */
import type { RgbImage } from '../pillow-resize.ts';
import { readBitmapHeader } from './bitmap-header.ts';
import type { BitmapHeader } from './bitmap-header.ts';
import { decodeRuns } from './bitmap-runs.ts';

/**
 * Decodes a bitmap to RGB; alpha is dropped.
 * @throws Error with the reason, for bitmaps that are cut short or of another kind.
 */
export function decodeBitmap(bytes: Uint8Array): RgbImage {
  const header = readBitmapHeader(bytes);
  const { width, height, bits, storage, pixelsAt } = header;
  if (storage.kind === 'runs') {
    const indices = decodeRuns({ bytes: bytes.subarray(pixelsAt), width, height, bits });
    return colours(header, (row, x) => indices[row * width + x]!);
  }
  const rowStride = Math.ceil((width * bits) / 32) * 4;
  // The padding of the last row is not worth a refusal.
  if (pixelsAt + rowStride * (height - 1) + Math.ceil((width * bits) / 8) > bytes.length)
    throw new Error('the bitmap is cut short');
  if (storage.kind === 'palette') {
    const mask = 2 ** bits - 1;
    return colours(header, (row, x) => {
      const bit = x * bits;
      return (bytes[pixelsAt + row * rowStride + (bit >> 3)]! >> (8 - bits - (bit & 7))) & mask;
    });
  }
  const [red, green, blue] = storage.masks.map(channelOf) as [Channel, Channel, Channel];
  const size = bits / 8;
  const data = new Uint8Array(width * height * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    let from = pixelsAt + rowStride * rowAt(header, y);
    for (let x = 0; x < width; x++) {
      let pixel = 0;
      for (let byte = size - 1; byte >= 0; byte--) pixel = pixel * 256 + bytes[from + byte]!;
      from += size;
      data[to++] = valueOf(red, pixel);
      data[to++] = valueOf(green, pixel);
      data[to++] = valueOf(blue, pixel);
    }
  }
  return { data, width, height, channels: 3 };
}

/** The row of the file that holds row `y` from the top. */
const rowAt = ({ topDown, height }: BitmapHeader, y: number): number => (topDown ? y : height - 1 - y);

/** Colours of the palette by their indices. */
function colours(header: BitmapHeader, indexAt: (row: number, x: number) => number): RgbImage {
  const { width, height, palette } = header;
  const data = new Uint8Array(width * height * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const row = rowAt(header, y);
    for (let x = 0; x < width; x++) {
      const from = indexAt(row, x) * 3;
      data[to++] = palette[from]!;
      data[to++] = palette[from + 1]!;
      data[to++] = palette[from + 2]!;
    }
  }
  return { data, width, height, channels: 3 };
}

/** A colour within a pixel's number: `(pixel & mask) / unit` is at most `largest`. */
interface Channel {
  readonly mask: number;
  readonly unit: number;
  readonly largest: number;
}

function channelOf(mask: number): Channel {
  const unit = mask === 0 ? 1 : 2 ** (31 - Math.clz32(mask & -mask));
  return { mask, unit, largest: (mask >>> 0) / unit };
}

function valueOf({ mask, unit, largest }: Channel, pixel: number): number {
  if (mask === 0) return 0;
  const value = ((pixel & mask) >>> 0) / unit;
  return largest === 255 ? value : Math.floor((value * 255) / largest);
}
