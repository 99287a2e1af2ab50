/**
 * Memory for the vectors of a training run, in one piece of WebAssembly's: there the kernels of
 * `vector-kernel.ts` work in place, and for ONNX Runtime and everything else they are
 * `Float32Array`s like any others.
 */

const pageBytes = 2 ** 16;
/** Pages that 32-bit addresses reach. */
const mostPages = 2 ** 16;
const floatBytes = Float32Array.BYTES_PER_ELEMENT;

/**
 * Elements of the part at the front that kernels copy through what they cannot work on in place,
 * per vector and for up to 8 of them.
 */
export const scratchLength = 4096;
const scratchBytes = 8 * scratchLength * floatBytes;

/** A fixed number of float32 vectors of one length. */
export class VectorMemory {
  readonly memory: WebAssembly.Memory;
  readonly #length: number;
  readonly #room: number;
  #given = 0;

  /**
   * @param length elements of a vector.
   * @param count vectors; those that do not fit into WebAssembly's 4 GiB lie elsewhere, where
   *   kernels are slower.
   */
  constructor(length: number, count: number) {
    this.#length = length;
    this.#room = Math.min(count, Math.floor((mostPages * pageBytes - scratchBytes) / (length * floatBytes)));
    const pages = Math.ceil((scratchBytes + this.#room * length * floatBytes) / pageBytes);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  }

  /** A further vector, of zeros. */
  vector(): Float32Array {
    if (this.#given === this.#room) return new Float32Array(this.#length);
    const offset = scratchBytes + this.#given * this.#length * floatBytes;
    this.#given += 1;
    return new Float32Array(this.memory.buffer, offset, this.#length);
  }
}
