/**
 * Whether the Huffman-coded data of a JPEG (ITU-T T.81, annexes F and G) can be read to its end.
 * libjpeg fills what it cannot read with grey, and libvips does not hear of it at reduced sizes:
 * so all codes are walked here, and no pixel is computed.
 */
import { BlockCoder, TooFewBits } from './jpeg-blocks.ts';
import type { Scan } from './jpeg-blocks.ts';
import { huffmanTable } from './jpeg-huffman.ts';
import type { HuffmanTable } from './jpeg-huffman.ts';
import { mostPixels } from './pixel-limit.ts';

/** A colour of the picture, and which of its coefficients are not zero so far. */
interface Component {
  readonly id: number;
  readonly across: number;
  readonly down: number;
  /** `[blocks, 64]`, for refinements; progressive files alone have it. */
  nonZero?: Uint8Array;
}

interface Frame {
  readonly progressive: boolean;
  readonly width: number;
  readonly height: number;
  readonly components: readonly Component[];
}

/**
 * Walks all scans of a baseline, extended or progressive JPEG of 8 bits with Huffman coding.
 * Bytes too many between two parts are no fault, as libjpeg passes over them.
 * @returns what is wrong, as a clause, or `undefined` where nothing is, or it cannot be told.
 */
export function entropyFault(bytes: Uint8Array): string | undefined {
  const short = (at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  const tables = new Map<number, HuffmanTable>();
  let frame: Frame | undefined;
  let interval = 0;
  let position = 2;
  while (position + 4 <= bytes.length) {
    const marker = bytes[position + 1] ?? 0;
    if (bytes[position] !== 0xff || marker === 0xff || marker <= 1 || (marker >= 0xd0 && marker <= 0xd8)) {
      position += bytes[position] === 0xff && marker !== 0xff ? 2 : 1;
      continue;
    }
    if (marker === 0xd9) return undefined;
    const content = position + 4;
    const end = position + 2 + short(position + 2);
    position = end;
    if (marker >= 0xc0 && marker <= 0xc2) frame = readFrame(bytes.subarray(content, end), marker === 0xc2);
    if (marker === 0xc4) readTables(bytes.subarray(content, end), tables);
    if (marker === 0xdd) interval = short(content);
    if (marker !== 0xda) continue;
    const scan = frame && readScan(bytes.subarray(content, end), frame, tables);
    if (frame === undefined || scan === undefined) return undefined;
    const coder = new BlockCoder(bytes, end, scan);
    try {
      const fault = walkScan(coder, frame, scan, interval);
      if (fault !== undefined) return fault;
    } catch (error) {
      if (error instanceof TooFewBits) return 'premature end of data segment';
      throw error;
    }
    position = coder.nextMarker();
  }
  return undefined;
}

function readFrame(content: Uint8Array, progressive: boolean): Frame {
  const at = (index: number): number => content[index] ?? 0;
  const components = Array.from({ length: at(5) }, (_, index) => ({
    id: at(6 + 3 * index),
    across: at(7 + 3 * index) >> 4,
    down: at(7 + 3 * index) & 15,
  }));
  return { progressive, height: (at(1) << 8) | at(2), width: (at(3) << 8) | at(4), components };
}

/** Tables by class, 0 or 16, and number. */
function readTables(content: Uint8Array, tables: Map<number, HuffmanTable>): void {
  let at = 0;
  while (at + 17 <= content.length) {
    const counts = content.subarray(at + 1, at + 17);
    const symbols = counts.reduce((sum, count) => sum + count, 0);
    tables.set(content[at] ?? 0, huffmanTable(counts, content.subarray(at + 17, at + 17 + symbols)));
    at += 17 + symbols;
  }
}

function readScan(content: Uint8Array, frame: Frame, tables: Map<number, HuffmanTable>): Scan | undefined {
  const at = (index: number): number => content[index] ?? 0;
  const count = at(0);
  const { progressive } = frame;
  const [first, last, approximation] = [at(1 + 2 * count), at(2 + 2 * count), at(3 + 2 * count)];
  const refines = progressive && approximation >> 4 > 0;
  const needsConstant = !progressive || (first === 0 && !refines);
  const needsOthers = !progressive || first > 0;
  if (count < 1 || count > 4 || (progressive && (last > 63 || (first > 0 && count > 1)))) return undefined;
  const parts: Scan['parts'][number][] = [];
  for (let index = 0; index < count; index++) {
    const component = frame.components.find(({ id }) => id === at(1 + 2 * index));
    if (component === undefined || component.across < 1 || component.down < 1) return undefined;
    const constant = tables.get(at(2 + 2 * index) >> 4);
    const others = tables.get(16 + (at(2 + 2 * index) & 15));
    // Files without tables mean the standard's.
    if ((needsConstant && constant === undefined) || (needsOthers && others === undefined)) return undefined;
    if (progressive && first > 0) {
      const coefficients = 64 * storedBlocks(frame, component);
      if (coefficients > mostPixels) return undefined;
      component.nonZero ??= new Uint8Array(coefficients);
    }
    parts.push({ component, constant, others });
  }
  return { progressive, first, last, refines, parts };
}

/** How many units of all components there are to a side. */
function unitsOf({ width, height, components }: Frame): {
  across: number;
  down: number;
  widest: number;
  tallest: number;
} {
  const widest = Math.max(...components.map(({ across }) => across));
  const tallest = Math.max(...components.map(({ down }) => down));
  return { across: Math.ceil(width / (8 * widest)), down: Math.ceil(height / (8 * tallest)), widest, tallest };
}

function storedBlocks(frame: Frame, component: Component): number {
  const { across, down } = unitsOf(frame);
  return across * component.across * down * component.down;
}

function walkScan(coder: BlockCoder, frame: Frame, scan: Scan, interval: number): string | undefined {
  const units = unitsOf(frame);
  const [only] = scan.parts;
  if (only === undefined) return undefined;
  const { component } = only;
  const isSingle = scan.parts.length === 1;
  const across = isSingle ? blocksOf(frame.width, component.across, units.widest) : units.across;
  const down = isSingle ? blocksOf(frame.height, component.down, units.tallest) : units.down;
  const stride = units.across * component.across;
  let unit = 0;
  for (let row = 0; row < down; row++) {
    for (let column = 0; column < across; column++, unit++) {
      if (interval > 0 && unit > 0 && unit % interval === 0) {
        const found = coder.restart((unit / interval - 1) % 8);
        if (!found) return 'a restart marker is missing';
      }
      if (isSingle) coder.walk(only, row * stride + column);
      else for (const part of scan.parts) coder.walkSeveral(part, part.component.across * part.component.down);
      if (coder.fault !== undefined) return coder.fault;
    }
  }
  return undefined;
}

/** A component alone has no blocks beside the picture. */
const blocksOf = (side: number, sampling: number, most: number): number =>
  Math.ceil(Math.ceil((side * sampling) / most) / 8);
