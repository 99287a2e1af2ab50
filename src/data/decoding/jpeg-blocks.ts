/**
 * Walks the codes of single blocks of a JPEG (ITU-T T.81, annex F.2 for sequential files, G.2 for
 * progressive ones), as libjpeg's `jdhuff.c` and `jdphuff.c` do, without keeping coefficients.
 */
import type { HuffmanTable } from './jpeg-huffman.ts';

/** One component in a scan, with its tables for the constant (DC) and other coefficients (AC). */
export interface ScanPart {
  readonly component: { readonly across: number; readonly down: number; readonly nonZero?: Uint8Array };
  readonly constant: HuffmanTable | undefined;
  readonly others: HuffmanTable | undefined;
}

/** What a scan header says. */
export interface Scan {
  readonly progressive: boolean;
  /** Coefficients of the scan, in zigzag order, both included. */
  readonly first: number;
  readonly last: number;
  /** Whether a bit is added to coefficients that are there already. */
  readonly refines: boolean;
  readonly parts: readonly ScanPart[];
}

/** There are fewer bits than codes need. */
export class TooFewBits extends Error {}

const badCode = 'bad Huffman code';

/** Reads blocks of one scan in turn. */
export class BlockCoder {
  /** What is wrong with the blocks so far. */
  fault: string | undefined;
  /** Bits that were read ahead: the lowest `count` of `bits`. */
  private bits = 0;
  private count = 0;
  /** How many of them stand for data that is not there. */
  private padded = 0;
  /** Blocks that are yet to come without codes of their own. */
  private empty = 0;

  private readonly bytes: Uint8Array;
  private position: number;
  private readonly scan: Scan;

  /** @param position of the first byte after the scan header */
  constructor(bytes: Uint8Array, position: number, scan: Scan) {
    this.bytes = bytes;
    this.position = position;
    this.scan = scan;
  }

  /** Walks blocks of a scan with several components, which has no use for their places. */
  walkSeveral(part: ScanPart, blocks: number): void {
    for (let block = 0; block < blocks; block++) this.walk(part, 0);
  }

  /**
   * Walks a block.
   * @throws {TooFewBits} where data ends before it
   */
  walk({ constant, others, component }: ScanPart, block: number): void {
    const { progressive, first, refines } = this.scan;
    if (!progressive) {
      this.skip(this.symbol(constant));
      this.sequential(others);
    } else if (first === 0) {
      this.skip(refines ? 1 : this.symbol(constant));
    } else if (component.nonZero !== undefined) {
      if (refines) this.refine(others, component.nonZero, 64 * block);
      else this.begin(others, component.nonZero, 64 * block);
    }
    if (this.count < this.padded) throw new TooFewBits();
  }

  /**
   * Goes on behind the restart marker of that number.
   * @returns whether it is the next marker
   */
  restart(number: number): boolean {
    const at = this.nextMarker();
    if (this.bytes[at + 1] !== 0xd0 + number) return false;
    this.position = at + 2;
    this.bits = this.count = this.padded = this.empty = 0;
    return true;
  }

  /** Where the next marker stands; bytes before it that were not read are passed over. */
  nextMarker(): number {
    let at = this.position;
    while (at < this.bytes.length && (this.bytes[at] !== 0xff || isNoMarker(this.bytes[at + 1]))) at++;
    return at;
  }

  private sequential(table: HuffmanTable | undefined): void {
    for (let place = 1; place < 64; place++) {
      const symbol = this.symbol(table);
      const size = symbol & 15;
      if (size === 0 && symbol !== 0xf0) return;
      place += symbol >> 4;
      if (size === 0) continue;
      if (place > 63) this.fault ??= badCode;
      this.skip(size);
    }
  }

  private begin(table: HuffmanTable | undefined, nonZero: Uint8Array, from: number): void {
    if (this.empty > 0) {
      this.empty -= 1;
      return;
    }
    const { first, last } = this.scan;
    for (let place = first; place <= last; place++) {
      const symbol = this.symbol(table);
      const size = symbol & 15;
      if (size === 0 && symbol !== 0xf0) {
        this.empty = this.run(symbol >> 4) - 1;
        return;
      }
      place += symbol >> 4;
      if (size === 0) continue;
      if (place > 63) this.fault ??= badCode;
      else nonZero[from + place] = 1;
      this.skip(size);
    }
  }

  private refine(table: HuffmanTable | undefined, nonZero: Uint8Array, from: number): void {
    const { first, last } = this.scan;
    let place = first;
    while (this.empty === 0 && place <= last) {
      const symbol = this.symbol(table);
      const size = symbol & 15;
      if (size === 0 && symbol !== 0xf0) {
        this.empty = this.run(symbol >> 4);
        break;
      }
      if (size > 1) this.fault ??= badCode;
      if (size > 0) this.skip(1);
      for (let zeros = symbol >> 4; place <= last; place++) {
        if (nonZero[from + place] === 1) this.skip(1);
        else if (zeros-- === 0) break;
      }
      if (size > 0 && place <= last) nonZero[from + place] = 1;
      place += 1;
    }
    if (this.empty === 0) return;
    for (; place <= last; place++) if (nonZero[from + place] === 1) this.skip(1);
    this.empty -= 1;
  }

  /** How many blocks end here, this one counted. */
  private run(bits: number): number {
    if (bits === 0) return 1;
    if (this.count < 16) this.fill();
    this.count -= bits;
    return (1 << bits) + ((this.bits >>> this.count) & ((1 << bits) - 1));
  }

  private symbol(table: HuffmanTable | undefined): number {
    if (table === undefined) return 0;
    if (this.count < 16) this.fill();
    const next = (this.bits >>> (this.count - 16)) & 0xffff;
    const entry = table.near[next >> 7]! || table.all[next]!;
    if (entry === 0) {
      if (this.padded > 0 && this.count - 16 < this.padded) throw new TooFewBits();
      this.fault ??= badCode;
      return 0;
    }
    this.count -= entry >> 8;
    return entry & 255;
  }

  private skip(bits: number): void {
    if (this.count < 16) this.fill();
    this.count -= bits;
  }

  /** Reads ahead as much as there is room for; at a marker, zeros. */
  private fill(): void {
    if (this.count < this.padded) throw new TooFewBits();
    while (this.count <= 24) {
      const byte = this.bytes[this.position];
      if (byte !== 0xff && byte !== undefined) {
        this.bits = (this.bits << 8) | byte;
        this.position += 1;
      } else if (byte === 0xff && this.bytes[this.position + 1] === 0) {
        this.bits = (this.bits << 8) | 0xff;
        this.position += 2;
      } else if (byte === 0xff && this.bytes[this.position + 1] === 0xff) {
        this.position += 1;
        continue;
      } else {
        this.bits <<= 8;
        this.padded += 8;
      }
      this.count += 8;
    }
  }
}

/** Stuffed bytes, fill bytes, and the end of the file. */
const isNoMarker = (byte: number | undefined): boolean => byte === 0 || byte === 0xff || byte === undefined;
