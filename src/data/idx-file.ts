/**
 * The IDX format of MNIST (LeCun, Cortes, Burges: "The MNIST database", section "File formats"):
 * two zero bytes, the type of values (8: unsigned bytes, the only one read here), the number of
 * dimensions, each dimension as a big-endian 32-bit integer, then the values. Files may be gzipped;
 * they are recognised by their first bytes, not by their names.
 */

import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { DiffrateError, messageOf } from '../errors.ts';

/** An array of bytes with its dimensions. */
export interface IdxArray {
  /** For images `[count, height, width]`, for labels `[count]`. */
  readonly dimensions: readonly number[];
  /** Values, the last dimension fastest; in memory that threads can share. */
  readonly data: Uint8Array;
}

/** What an IDX file begins with. */
export interface IdxHeader {
  readonly dimensions: readonly number[];
  /** Bytes before the values. */
  readonly headerBytes: number;
  /** Bytes of the values. */
  readonly dataBytes: number;
}

const UNSIGNED_BYTES = 8;
const LARGEST_DATA = 2 ** 32 - 1;

/**
 * Reads the header.
 * @param bytes the file from its beginning on, as far as it is there.
 * @param file its name, for messages.
 * @returns undefined if the header goes on after `bytes`.
 * @throws DiffrateError if it is none of an array of unsigned bytes, or the array is empty or
 *   larger than 4 GiB.
 */
export function parseIdxHeader(bytes: Uint8Array, file: string): IdxHeader | undefined {
  if (bytes.length < 4) return undefined;
  const [zero, otherZero, type, count = 0] = bytes;
  if (zero !== 0 || otherZero !== 0 || type !== UNSIGNED_BYTES || count < 1) {
    const magic = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw new DiffrateError(
      `'${file}' is not an IDX file of unsigned bytes (it begins with ${magic}, not with 00 00 08): ` +
        `give a file in MNIST's format, such as train-images-idx3-ubyte.gz.`,
    );
  }
  const headerBytes = 4 + 4 * count;
  if (bytes.length < headerBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  const dimensions = Array.from({ length: count }, (_, dimension) => view.getUint32(4 + 4 * dimension));
  const dataBytes = dimensions.reduce((product, dimension) => product * dimension, 1);
  if (dataBytes === 0 || dataBytes > LARGEST_DATA) {
    throw new DiffrateError(
      `The header of '${file}' promises ${dimensions.join('×')} values, ` +
        `${dataBytes === 0 ? 'which is nothing' : 'more than 4 GiB'}: the file is damaged, get it again.`,
    );
  }
  return { dimensions, headerBytes, dataBytes };
}

/**
 * Reads a file, gzipped or not. Never takes more memory than the file really holds, nor more than
 * its header promises.
 * @throws DiffrateError if it cannot be read, is no IDX file of unsigned bytes, or holds fewer or
 *   more values than its header promises.
 */
export async function readIdxFile(file: string): Promise<IdxArray> {
  let header: IdxHeader | undefined;
  let chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of contentOf(file)) {
      chunks.push(chunk);
      length += chunk.length;
      if (header === undefined) {
        chunks = [Buffer.concat(chunks)];
        header = parseIdxHeader(chunks[0]!, file);
      }
      if (header !== undefined && length > header.headerBytes + header.dataBytes) {
        throw wrongLength(file, header, 'more are there');
      }
    }
  } catch (error) {
    if (error instanceof DiffrateError) throw error;
    throw new DiffrateError(`Cannot read the IDX file '${file}' (${messageOf(error)}): get it again.`);
  }
  if (header === undefined) {
    throw new DiffrateError(`The IDX file '${file}' ends after ${length} bytes, within its header: get it again.`);
  }
  if (length < header.headerBytes + header.dataBytes) {
    throw wrongLength(file, header, `only ${length - header.headerBytes} are there`);
  }
  const data = new Uint8Array(new SharedArrayBuffer(header.dataBytes));
  let position = -header.headerBytes;
  for (const chunk of chunks) {
    data.set(position < 0 ? chunk.subarray(-position) : chunk, Math.max(position, 0));
    position += chunk.length;
  }
  return { dimensions: header.dimensions, data };
}

/** The content of an IDX file with these values. */
export function encodeIdx({ dimensions, data }: IdxArray): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * dimensions.length + data.length);
  bytes.set([0, 0, UNSIGNED_BYTES, dimensions.length]);
  const view = new DataView(bytes.buffer);
  for (const [index, dimension] of dimensions.entries()) view.setUint32(4 + 4 * index, dimension);
  bytes.set(data, 4 + 4 * dimensions.length);
  return bytes;
}

function wrongLength(file: string, { dimensions, dataBytes }: IdxHeader, found: string): DiffrateError {
  return new DiffrateError(
    `The header of '${file}' promises ${dimensions.join('×')} = ${dataBytes} bytes, but ${found}: get the file again.`,
  );
}

/**
 * The file's bytes, unpacked. (`stream.pipeline` would report an error of who reads them as its own
 * abortion.)
 */
async function* contentOf(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  const gzipped = await isGzipped(file);
  const stored = createReadStream(file);
  const gunzip = gzipped ? createGunzip() : undefined;
  stored.on('error', (error) => gunzip?.destroy(error));
  try {
    yield* (gunzip ? stored.pipe(gunzip) : stored) as AsyncIterable<Uint8Array>;
  } finally {
    stored.destroy();
    gunzip?.destroy();
  }
}

async function isGzipped(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
}
