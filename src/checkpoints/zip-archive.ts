/**
 * Zip archives by position (APPNOTE.TXT 6.3, with zip64), as `torch.save` writes them: the
 * directory at the end is read first, then only the entries asked for. Stored entries come back
 * without a copy. Nothing that an archive says about itself is believed: entries cannot be larger
 * together than the file (stored) or than a bounded multiple of it (deflated).
 */
import { inflateSync } from 'fflate';
import { DiffrateError, quoted } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';

/** One file in an archive. */
export interface ZipEntry {
  readonly name: string;
  readonly compressed: boolean;
  /** Bytes in the archive. */
  readonly storedSize: number;
  /** Bytes after unpacking. */
  readonly size: number;
  /** Position of the local header. */
  readonly offset: number;
}

/** An opened archive. */
export interface ZipArchive {
  readonly entries: ReadonlyMap<string, ZipEntry>;
  /**
   * The entry's content: a view of the source where it is stored (and the source is memory),
   * unpacked where deflated.
   */
  read(entry: ZipEntry): Promise<Uint8Array>;
}

const LOCAL_HEADER = 0x04034b50;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_END = 0x06054b50;
const DIRECTORY_END_64 = 0x06064b50;
const DIRECTORY_LOCATOR_64 = 0x07064b50;
const DIRECTORY_END_SIZE = 22;
const LONGEST_COMMENT = 0xffff;
const IN_ZIP64 = 0xffffffff;

/**
 * Weights hardly compress; an archive that claims to unpack to far more than its size is a bomb.
 */
const LARGEST_EXPANSION = 16;
const EXPANSION_ALLOWANCE = 64 * 2 ** 20;

/**
 * Reads an archive's directory. Throws `DiffrateError` where it is truncated, damaged, encrypted or
 * contradicts itself.
 */
export async function openZip(source: ByteSource): Promise<ZipArchive> {
  const { position, size } = await findDirectory(source);
  const entries = parseDirectory(await source.read(position, size), source);
  return { entries, read: (entry) => readEntry(source, entry) };
}

async function findDirectory(source: ByteSource): Promise<{ position: number; size: number }> {
  const tailSize = Math.min(source.size, DIRECTORY_END_SIZE + LONGEST_COMMENT);
  const tail = view(await source.read(source.size - tailSize, tailSize));
  for (let at = tailSize - DIRECTORY_END_SIZE; at >= 0; at -= 1) {
    if (tail.getUint32(at, true) !== DIRECTORY_END) continue;
    if (at + DIRECTORY_END_SIZE + tail.getUint16(at + 20, true) !== tailSize) continue;
    const locatorAt = at - 20;
    if (locatorAt >= 0 && tail.getUint32(locatorAt, true) === DIRECTORY_LOCATOR_64) {
      const end = view(await source.read(exact(tail.getBigUint64(locatorAt + 8, true), source), 56));
      if (end.getUint32(0, true) !== DIRECTORY_END_64) throw damaged(source, 'its zip64 directory is missing');
      return { size: exact(end.getBigUint64(40, true), source), position: exact(end.getBigUint64(48, true), source) };
    }
    return { size: tail.getUint32(at + 12, true), position: tail.getUint32(at + 16, true) };
  }
  throw damaged(source, 'its directory at the end is missing');
}

function parseDirectory(bytes: Uint8Array, source: ByteSource): Map<string, ZipEntry> {
  const directory = view(bytes);
  const entries = new Map<string, ZipEntry>();
  let stored = 0;
  let unpacked = 0;
  for (let at = 0; at < bytes.byteLength;) {
    if (at + 46 > bytes.byteLength || directory.getUint32(at, true) !== DIRECTORY_ENTRY) {
      throw damaged(source, 'its directory is cut off');
    }
    const nameEnd = at + 46 + directory.getUint16(at + 28, true);
    const extraEnd = nameEnd + directory.getUint16(at + 30, true);
    const next = extraEnd + directory.getUint16(at + 32, true);
    if (next > bytes.byteLength) throw damaged(source, 'its directory is cut off');
    const name = new TextDecoder().decode(bytes.subarray(at + 46, nameEnd));
    const method = directory.getUint16(at + 10, true);
    if ((directory.getUint16(at + 8, true) & 1) !== 0 || (method !== 0 && method !== 8)) {
      throw damaged(source, `its entry ${quoted(name)} is encrypted or packed in an unusual way`);
    }
    const numbers = zip64Numbers(directory, nameEnd, extraEnd, source);
    const widen = (value: number): number => (value === IN_ZIP64 ? (numbers.shift() ?? value) : value);
    const size = widen(directory.getUint32(at + 24, true));
    const storedSize = widen(directory.getUint32(at + 20, true));
    const offset = widen(directory.getUint32(at + 42, true));
    if (method === 0 && size !== storedSize) throw damaged(source, `its entry ${quoted(name)} has two sizes`);
    if (entries.has(name)) throw damaged(source, `its entry ${quoted(name)} is listed twice`);
    entries.set(name, { name, compressed: method === 8, storedSize, size, offset });
    stored += storedSize;
    unpacked += size;
    at = next;
  }
  if (stored > source.size) throw damaged(source, 'its entries are larger than the file');
  if (unpacked > source.size * LARGEST_EXPANSION + EXPANSION_ALLOWANCE) {
    throw damaged(source, `it claims to unpack to ${unpacked} bytes`);
  }
  return entries;
}

/**
 * Sizes and offset of the zip64 extra field, in the order in which 32-bit fields defer to it; empty
 * without one.
 */
function zip64Numbers(directory: DataView, start: number, end: number, source: ByteSource): number[] {
  for (let at = start; at + 4 <= end;) {
    const fieldEnd = at + 4 + directory.getUint16(at + 2, true);
    if (directory.getUint16(at, true) === 1) {
      const numbers: number[] = [];
      for (let number = at + 4; number + 8 <= Math.min(fieldEnd, end); number += 8) {
        numbers.push(exact(directory.getBigUint64(number, true), source));
      }
      return numbers;
    }
    at = fieldEnd;
  }
  return [];
}

async function readEntry(source: ByteSource, entry: ZipEntry): Promise<Uint8Array> {
  const local = view(await source.read(entry.offset, 30));
  if (local.getUint32(0, true) !== LOCAL_HEADER)
    throw damaged(source, `its entry ${quoted(entry.name)} is not where it should be`);
  const start = entry.offset + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  const stored = await source.read(start, entry.storedSize);
  if (!entry.compressed) return stored;
  const unpacked = inflate(stored, entry.size);
  if (unpacked?.byteLength !== entry.size) throw damaged(source, `its entry ${quoted(entry.name)} cannot be unpacked`);
  return unpacked;
}

/** Unpacks into exactly `size` bytes at most; `undefined` where the stream is damaged. */
function inflate(packed: Uint8Array, size: number): Uint8Array | undefined {
  try {
    return inflateSync(packed, { out: new Uint8Array(size) });
  } catch {
    return undefined;
  }
}

function exact(value: bigint, source: ByteSource): number {
  if (value > BigInt(source.size) * 1024n) throw damaged(source, 'its directory has impossible sizes');
  return Number(value);
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function damaged(source: ByteSource, reason: string): DiffrateError {
  return new DiffrateError(`${source.name} is not a sound PyTorch zip file (${reason}): download or save it again.`);
}
