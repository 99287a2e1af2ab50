/**
 * The operands of pickle instructions (`pickletools`): numbers, text and byte strings taken one
 * after the other from a buffer. Lengths are checked against what is left before anything is made
 * of them.
 */
import { DiffrateError } from '../errors.ts';

/**
 * A position in a pickle's bytes, and what can be read there. Reading past the end throws
 * `DiffrateError`.
 */
export class PickleBytes {
  readonly #bytes: Uint8Array;
  readonly #file: string;
  #position = 0;

  /** @param file the file's name for errors */
  constructor(bytes: Uint8Array, file: string) {
    this.#bytes = bytes;
    this.#file = file;
  }

  /** Number of bytes read so far. */
  get position(): number {
    return this.#position;
  }

  /** The next `count` bytes, as a view. */
  take(count: number): Uint8Array {
    const start = this.#position;
    if (count > this.#bytes.byteLength - start) throw this.damaged();
    this.#position = start + count;
    return this.#bytes.subarray(start, this.#position);
  }

  /** The next `count` bytes for reading numbers. */
  view(count: number): DataView {
    const bytes = this.take(count);
    return new DataView(bytes.buffer, bytes.byteOffset, count);
  }

  /** One unsigned byte. */
  byte(): number {
    return this.view(1).getUint8(0);
  }

  /** A length field of 4 or 8 bytes. */
  length(width: 4 | 8): number {
    return width === 4 ? this.view(4).getUint32(0, true) : Number(this.view(8).getBigUint64(0, true));
  }

  /**
   * Text; bytes that are not UTF-8 (Python's surrogates) become replacement characters, which no
   * weight name has.
   */
  text(count: number): string {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.take(count));
  }

  /** Text up to the next line feed. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#position);
    if (end < 0) throw this.damaged();
    const text = this.text(end - this.#position);
    this.take(1);
    return text;
  }

  /**
   * Two's complement, little-endian, of at most 64 bytes: longer integers belong to no weight file.
   */
  long(count: number): number | bigint {
    if (count > 64) throw this.damaged();
    let value = 0n;
    for (const byte of this.take(count).toReversed()) value = (value << 8n) | BigInt(byte);
    value = BigInt.asIntN(count * 8, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  /** The error for a pickle that makes no sense here. */
  damaged(): DiffrateError {
    return new DiffrateError(
      `${this.#file} holds a damaged pickle (at byte ${this.#position} of ${this.#bytes.byteLength}): download or save it again.`,
    );
  }
}
