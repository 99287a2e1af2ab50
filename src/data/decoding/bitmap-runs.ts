/**
 * Run-length encoding of bitmaps (RLE8 and RLE4 of Microsoft's "Bitmap Compression"): pairs of
 * bytes are runs of an index, or escapes: the end of a row, the end of the picture, a step to the
 * right and up, or indices that are spelt out.
 */

const escapes = { endOfRow: 0, endOfPicture: 1, step: 2 } as const;

/** Where the encoded indices are, and how many there are to be. */
export interface BitmapRuns {
  /** From the first pair on. */
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Bits of an index. */
  readonly bits: number;
}

/**
 * Decodes indices `[height, width]` in the order of the file, which is from the bottom up.
 * Pixels that are stepped over have index 0, and what lies beside the picture is left out.
 * @throws Error where the picture does not end. No memory is taken before that is known.
 */
export function decodeRuns(runs: BitmapRuns): Uint8Array {
  walk(runs, () => {});
  const indices = new Uint8Array(runs.width * runs.height);
  walk(runs, (place, index) => {
    indices[place] = index;
  });
  return indices;
}

function walk({ bytes, width, height, bits }: BitmapRuns, put: (place: number, index: number) => void): void {
  let x = 0;
  let y = 0;
  let at = 0;
  /** Indices that stand in bytes from `from` on: one each, or two with the high half first. */
  const indexIn = (from: number, position: number): number => {
    if (bits === 8) return bytes[from + position]!;
    const pair = bytes[from + (position >> 1)]!;
    return position % 2 === 0 ? pair >> 4 : pair & 15;
  };
  while (y < height) {
    const last = y === height - 1 && x >= width;
    if (at + 2 > bytes.length) {
      if (last) return;
      throw new Error('the bitmap is cut short');
    }
    const count = bytes[at]!;
    const value = bytes[at + 1]!;
    at += 2;
    if (count > 0) {
      const shown = Math.min(count, width - x);
      for (let position = 0; position < shown; position++)
        put(y * width + x + position, bits === 8 ? value : indexIn(at - 1, position % 2));
      x += Math.max(shown, 0);
    } else if (value === escapes.endOfPicture) {
      return;
    } else if (value === escapes.endOfRow) {
      x = 0;
      y += 1;
    } else if (value === escapes.step) {
      if (at + 2 > bytes.length) throw new Error('the bitmap is cut short');
      x = Math.min(x + bytes[at]!, width);
      y += bytes[at + 1]!;
      at += 2;
    } else {
      const length = bits === 8 ? value : Math.ceil(value / 2);
      if (at + length > bytes.length) throw new Error('the bitmap is cut short');
      const shown = Math.min(value, width - x);
      for (let position = 0; position < shown; position++) put(y * width + x + position, indexIn(at, position));
      x += Math.max(shown, 0);
      at += length + (length % 2);
    }
  }
}
