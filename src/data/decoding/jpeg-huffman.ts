/** Huffman tables of JPEG (ITU-T T.81, annex C), looked up by the bits that come next. */

/** Entries are `length · 256 + symbol`; 0 where no code begins so. */
export interface HuffmanTable {
  /** By the next 9 bits; 0 for longer codes, too. */
  readonly near: Uint16Array;
  /** By the next 16 bits. */
  readonly all: Uint16Array;
}

/**
 * Makes a table.
 * @param counts how many codes there are of 1 to 16 bits, `[16]`.
 * @param symbols in the order of their codes.
 */
export function huffmanTable(counts: Uint8Array, symbols: Uint8Array): HuffmanTable {
  const near = new Uint16Array(1 << 9);
  const all = new Uint16Array(1 << 16);
  let from = 0;
  let next = 0;
  for (let length = 1; length <= 16; length++) {
    const span = 1 << (16 - length);
    for (let code = 0; code < (counts[length - 1] ?? 0); code++, next++, from += span) {
      const entry = (length << 8) | (symbols[next] ?? 0);
      all.fill(entry, from, from + span);
      if (length <= 9) near.fill(entry, from >> 7, (from + span) >> 7);
    }
  }
  return { near, all };
}
