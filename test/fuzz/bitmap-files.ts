/** Small Windows bitmaps of many kinds, to be damaged (BITMAPFILEHEADER, BITMAPINFOHEADER). */

interface BitmapKind {
  readonly bits: number;
  readonly compression?: number;
  readonly headerBytes?: number;
  readonly height?: number;
  readonly data: readonly number[];
}

const width = 4;

/** 4 × 3 pixels. */
const kinds: readonly BitmapKind[] = [
  { bits: 24, data: Array.from({ length: 36 }, (_, index) => 7 * index) },
  { bits: 24, height: -3, data: Array.from({ length: 36 }, (_, index) => 7 * index) },
  { bits: 32, data: Array.from({ length: 48 }, (_, index) => 5 * index) },
  { bits: 32, compression: 3, data: Array.from({ length: 48 }, (_, index) => 5 * index) },
  { bits: 16, data: Array.from({ length: 24 }, (_, index) => 11 * index) },
  { bits: 16, compression: 3, data: Array.from({ length: 24 }, (_, index) => 11 * index) },
  { bits: 8, data: Array.from({ length: 12 }, (_, index) => index) },
  { bits: 4, data: [0x01, 0x23, 0, 0, 0x12, 0x34, 0, 0, 0x45, 0x67, 0, 0] },
  { bits: 1, data: [0xa0, 0, 0, 0, 0x50, 0, 0, 0, 0xf0, 0, 0, 0] },
  { bits: 8, compression: 1, data: [4, 1, 0, 0, 0, 4, 1, 2, 3, 4, 0, 0, 2, 5, 0, 2, 1, 0, 1, 6, 0, 1] },
  { bits: 4, compression: 2, data: [4, 0x12, 0, 0, 0, 4, 0x12, 0x34, 0, 0, 4, 0x55, 0, 1] },
  { bits: 24, headerBytes: 12, data: Array.from({ length: 36 }, (_, index) => 3 * index) },
  { bits: 8, headerBytes: 12, data: Array.from({ length: 12 }, (_, index) => index) },
  { bits: 24, headerBytes: 64, data: Array.from({ length: 36 }, (_, index) => 3 * index) },
  { bits: 32, headerBytes: 124, compression: 3, data: Array.from({ length: 48 }, (_, index) => 5 * index) },
];

/** One file of each kind. */
export function bitmapFiles(): Uint8Array[] {
  return kinds.map(bitmapFile);
}

function bitmapFile({ bits, compression = 0, headerBytes = 40, height = 3, data }: BitmapKind): Uint8Array {
  const isCore = headerBytes === 12;
  const masks = compression === 3 && headerBytes === 40 ? 12 : 0;
  const colours = bits <= 8 ? (isCore ? 3 : 4) * 2 ** bits : 0;
  const start = 14 + headerBytes + masks + colours;
  const view = new DataView(new ArrayBuffer(start + data.length));
  view.setUint16(0, 0x4d42, true);
  view.setUint32(2, view.byteLength, true);
  view.setUint32(10, start, true);
  view.setUint32(14, headerBytes, true);
  if (isCore) {
    view.setUint16(18, width, true);
    view.setUint16(20, height, true);
    view.setUint16(22, 1, true);
    view.setUint16(24, bits, true);
  } else {
    view.setInt32(18, width, true);
    view.setInt32(22, height, true);
    view.setUint16(26, 1, true);
    view.setUint16(28, bits, true);
    view.setUint32(30, compression, true);
    view.setUint32(34, data.length, true);
    const fields = bits === 16 ? [0xf800, 0x07e0, 0x001f] : [0x00ff0000, 0x0000ff00, 0x000000ff];
    if (compression === 3) for (const [index, mask] of fields.entries()) view.setUint32(54 + 4 * index, mask, true);
  }
  for (let index = 0; index < colours; index++) view.setUint8(14 + headerBytes + masks + index, 3 * index);
  for (const [index, byte] of data.entries()) view.setUint8(start + index, byte);
  return new Uint8Array(view.buffer);
}
