/**
 * Something that bytes can be read from by position: a file on disk or a buffer in memory.
 * Checkpoints are read through it, range by range, so that what nobody asks for (an optimizer's
 * state, say) is never loaded and no file is too large.
 */
import { open, stat } from 'node:fs/promises';
import { DiffrateError, messageOf } from '../errors.ts';

/** Bytes by position. */
export interface ByteSource {
  /** What error messages call it: the file's path. */
  readonly name: string;
  /** Total size in bytes. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`; a `DiffrateError` where the source ends before. Buffers
   * of files start aligned.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** libuv reads at most 2 GiB − 1 at once. */
const LARGEST_READ = 2 ** 30;

/** A byte source over memory; reads are views. */
export function memorySource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.byteLength,
    read: async (offset, length) => {
      assertInside(name, bytes.byteLength, offset, length);
      return bytes.subarray(offset, offset + length);
    },
  };
}

/**
 * Opens `path`, hands it to `use` as a byte source and closes it, however `use` ends.
 * Throws `DiffrateError` where there is no such file, or it cannot be read.
 */
export async function withFileSource<T>(path: string, use: (source: ByteSource) => Promise<T>): Promise<T> {
  const cannotOpen = (error: unknown): never => {
    throw new DiffrateError(`Cannot open ${path} (${messageOf(error)}): check the path.`);
  };
  // Asked before opening: to open a named pipe waits for somebody who writes into it.
  if (!(await stat(path).catch(cannotOpen)).isFile()) {
    throw new DiffrateError(`${path} is not a regular file: name a checkpoint (.safetensors, .pth, .bin).`);
  }
  const file = await open(path, 'r').catch(cannotOpen);
  try {
    const { size } = await file.stat();
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      assertInside(path, size, offset, length);
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length;) {
        const { bytesRead } = await file
          .read(bytes, done, Math.min(length - done, LARGEST_READ), offset + done)
          .catch((error: unknown) => {
            throw new DiffrateError(`Cannot read ${path} (${messageOf(error)}): check the disk and the file's rights.`);
          });
        if (bytesRead === 0) throw truncated(path);
        done += bytesRead;
      }
      return bytes;
    };
    return await use({ name: path, size, read });
  } finally {
    await file.close();
  }
}

function assertInside(name: string, size: number, offset: number, length: number): void {
  const valid = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!valid || offset + length > size) throw truncated(name);
}

function truncated(name: string): DiffrateError {
  return new DiffrateError(`${name} is truncated or damaged (it ends too early): download or copy it again.`);
}
