/**
 * Headers of bitmaps (BMP): BITMAPFILEHEADER (14 bytes), then one of BITMAPCOREHEADER (12 bytes,
 * OS/2 1), OS22XBITMAPHEADER (16 to 64 bytes, OS/2 2), BITMAPINFOHEADER (40 bytes) and its later
 * versions (52, 56, 108, 124 bytes); then colour masks and a palette, where there are any.
 */
import { checkPixels, checkRunsContent } from './pixel-limit.ts';

/** How pixels are stored. */
export type BitmapStorage =
  | { readonly kind: 'palette' }
  /** Indices into the palette, run-length encoded. */
  | { readonly kind: 'runs' }
  /** Where red, green and blue lie in a pixel's little-endian number. */
  | { readonly kind: 'masks'; readonly masks: readonly [number, number, number] };

/** What the headers say. */
export interface BitmapHeader {
  readonly width: number;
  readonly height: number;
  /** Rows run from the top down; from the bottom up is usual. */
  readonly topDown: boolean;
  /** Bits of a pixel. */
  readonly bits: number;
  readonly storage: BitmapStorage;
  /** Where the pixels begin. */
  readonly pixelsAt: number;
  /** Colours, `[256, 3]` as red, green, blue; those that the file lacks are grey, as in Pillow. */
  readonly palette: Uint8Array;
}

/** Bytes of the headers that are known. */
export const bitmapHeaderSizes: readonly number[] = [12, 16, 40, 52, 56, 64, 108, 124];
const fileHeader = 14;
const plainBits = [1, 2, 4, 8, 16, 24, 32];
/** Compressions that both lines of headers share; 3 and 4 of OS/2 are others. */
const compressions = { none: 0, runs8: 1, runs4: 2, bitFields: 3, alphaBitFields: 6 } as const;

const masksOf15 = [0x7c00, 0x03e0, 0x001f] as const;
const masksOf24 = [0xff0000, 0x00ff00, 0x0000ff] as const;

/**
 * Reads the headers.
 * @throws Error with the reason, where they are cut short or tell of another kind.
 */
export function readBitmapHeader(bytes: Uint8Array): BitmapHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerSize = bytes.length < 18 ? 0 : view.getUint32(14, true);
  if (!bitmapHeaderSizes.includes(headerSize))
    throw new Error(`bitmaps with a header of ${headerSize} bytes are not read`);
  const end = fileHeader + headerSize;
  if (bytes.length < end) throw new Error('the bitmap is cut short');
  const core = headerSize === 12;
  const width = core ? view.getUint16(18, true) : view.getInt32(18, true);
  const signedHeight = core ? view.getUint16(20, true) : view.getInt32(22, true);
  const height = Math.abs(signedHeight);
  checkPixels(width, height);
  const bits = view.getUint16(core ? 24 : 28, true);
  const compression = headerSize >= 40 ? view.getUint32(30, true) : compressions.none;
  const storage = storageOf(view, { headerSize, bits, compression });
  if (storage.kind === 'runs') checkRunsContent(width, height, bytes.length);
  const pixelsAt = view.getUint32(10, true);
  const colours = (headerSize >= 40 ? view.getUint32(46, true) : 0) || 2 ** bits;
  return {
    width,
    height,
    topDown: signedHeight < 0,
    bits,
    storage,
    pixelsAt,
    palette: paletteOf(bytes, bits, { at: end, entry: core ? 3 : 4, colours, pixelsAt }),
  };
}

interface Coding {
  readonly headerSize: number;
  readonly bits: number;
  readonly compression: number;
}

function storageOf(view: DataView, { headerSize, bits, compression }: Coding): BitmapStorage {
  if (compression === compressions.none && plainBits.includes(bits)) {
    if (bits <= 8) return { kind: 'palette' };
    return { kind: 'masks', masks: bits === 16 ? masksOf15 : masksOf24 };
  }
  if ((compression === compressions.runs8 && bits === 8) || (compression === compressions.runs4 && bits === 4))
    return { kind: 'runs' };
  const hasMasks = compression === compressions.bitFields || compression === compressions.alphaBitFields;
  if (hasMasks && headerSize !== 64 && [16, 24, 32].includes(bits)) {
    // Later headers hold the masks, and behind the first version they follow: at the same place.
    const at = fileHeader + 40;
    if (view.byteLength < at + 12) throw new Error('the bitmap is cut short');
    const masks = [0, 4, 8].map((offset) => view.getUint32(at + offset, true)) as [number, number, number];
    return { kind: 'masks', masks: masks.every((mask) => mask === 0) ? masksOf24 : masks };
  }
  throw new Error(`bitmaps of ${bits} bits with compression ${compression} are not read`);
}

interface PaletteBytes {
  readonly at: number;
  readonly entry: number;
  readonly colours: number;
  readonly pixelsAt: number;
}

function paletteOf(bytes: Uint8Array, bits: number, { at, entry, colours, pixelsAt }: PaletteBytes): Uint8Array {
  const palette = Uint8Array.from({ length: 256 * 3 }, (_, index) => Math.floor(index / 3));
  if (bits > 8) return palette;
  // Some writers put the pixels where the palette still goes on.
  const room = Math.floor((Math.max(pixelsAt, at) - at) / entry) || colours;
  for (let index = 0; index < Math.min(colours, room, 256); index++) {
    const from = at + index * entry;
    if (from + 3 > bytes.length) throw new Error('the bitmap is cut short');
    palette.set([bytes[from + 2]!, bytes[from + 1]!, bytes[from]!], index * 3);
  }
  return palette;
}
