/**
 * Reader of uncompressed Windows bitmaps (BMP: 1, 4, 8 bits with a palette, 24 and 32 bits), which
 * the image library does not read. Layout: BITMAPFILEHEADER (14 bytes), BITMAPINFOHEADER (40 bytes
 * or more), palette, rows padded to 4 bytes.
 */

import type { RgbImage } from './pillow-resize.ts';

const NO_COMPRESSION = 0;
const BIT_FIELDS = 3;
/** Bit masks of red, green and blue when a 32-bit pixel is stored as blue, green, red, alpha. */
const BGRA_MASKS = [0x00ff0000, 0x0000ff00, 0x000000ff];

/** Whether a file begins like a bitmap. */
export function isBitmap(bytes: Uint8Array): boolean {
  return bytes.length >= 54 && bytes[0] === 0x42 && bytes[1] === 0x4d;
}

/**
 * Decodes a bitmap to RGB; alpha is dropped.
 * @throws Error with the reason, for bitmaps that are cut short or of another kind.
 */
export function decodeBitmap(bytes: Uint8Array): RgbImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pixelStart = view.getUint32(10, true);
  const headerSize = view.getUint32(14, true);
  const width = view.getInt32(18, true);
  const signedHeight = view.getInt32(22, true);
  const height = Math.abs(signedHeight);
  const bits = view.getUint16(28, true);
  const compression = view.getUint32(30, true);
  const plain = compression === NO_COMPRESSION && [1, 4, 8, 24, 32].includes(bits);
  if (headerSize < 40 || (!plain && !(bits === 32 && compression === BIT_FIELDS))) {
    throw new Error(`bitmaps of ${bits} bits with compression ${compression} are not supported`);
  }
  if (compression === BIT_FIELDS && !BGRA_MASKS.every((mask, index) => view.getUint32(54 + 4 * index, true) === mask)) {
    throw new Error('bitmaps with unusual colour masks are not supported');
  }
  const rowStride = Math.ceil((width * bits) / 32) * 4;
  if (width < 1 || height < 1 || pixelStart + rowStride * height > bytes.length)
    throw new Error('the bitmap is cut short');

  const palette = 14 + headerSize;
  const data = new Uint8Array(width * height * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    // Rows run from the bottom up unless the height is negative.
    const row = pixelStart + rowStride * (signedHeight > 0 ? height - 1 - y : y);
    for (let x = 0; x < width; x++) {
      let from = row + (x * bits) / 8;
      if (bits <= 8) {
        const bit = x * bits;
        const shift = 8 - bits - (bit % 8);
        const index = ((bytes[row + (bit >> 3)] ?? 0) >> shift) & (2 ** bits - 1);
        from = palette + index * 4;
      }
      data[to] = bytes[from + 2] ?? 0;
      data[to + 1] = bytes[from + 1] ?? 0;
      data[to + 2] = bytes[from] ?? 0;
      to += 3;
    }
  }
  return { data, width, height, channels: 3 };
}
