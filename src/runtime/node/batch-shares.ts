/**
 * Tensors by name, cut into shares along their first axis, put where a thread finds them, and
 * joined again.
 */
import type { RuntimeTensor, TensorData } from '../runtime.ts';

type Tensors = Readonly<Record<string, RuntimeTensor>>;

/**
 * Sizes of at most `copies` shares of some images, as equal as can be, the larger ones first; none
 * is empty.
 */
export function shareSizes(images: number, copies: number): number[] {
  const shares = Math.min(images, copies);
  return Array.from({ length: shares }, (_, index) => Math.ceil((images - index) / shares));
}

/** `images` images from `start` on, as views of the same memory. */
export function sliceFirstAxis(tensors: Tensors, start: number, images: number): Record<string, RuntimeTensor> {
  return mapTensors(tensors, ({ type, shape, data }) => {
    const perImage = data.length / (shape[0] ?? 1);
    return {
      type,
      shape: [images, ...shape.slice(1)],
      data: data.subarray(start * perImage, (start + images) * perImage),
    };
  });
}

/** Joins what `sliceFirstAxis` cut, in order. */
export function joinFirstAxis(parts: readonly Tensors[]): Record<string, RuntimeTensor> {
  const [first = {}] = parts;
  return mapTensors(first, ({ type, shape, data }, name) => {
    const own = parts.flatMap((part) => part[name] ?? []);
    if (own.length === 1) return { type, shape, data };
    const images = own.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0);
    const bytes = own.reduce((sum, part) => sum + part.data.byteLength, 0);
    const joined = arrayLike(data, new ArrayBuffer(bytes));
    let offset = 0;
    for (const part of own) {
      joined.set(part.data as never, offset);
      offset += part.data.length;
    }
    return { type, shape: [images, ...shape.slice(1)], data: joined };
  });
}

/**
 * Memory that tensors are copied into, by name, and that stays from one run to the next: fresh
 * memory for a batch of pixels costs several times what the copy does.
 */
export class TensorMemory {
  readonly #allocate: (bytes: number) => ArrayBufferLike;
  readonly #arrays = new Map<string, TensorData>();

  constructor(kind: 'shared' | 'own') {
    this.#allocate = kind === 'shared' ? (bytes) => new SharedArrayBuffer(bytes) : (bytes) => new ArrayBuffer(bytes);
  }

  /** The same tensors in this memory, until the next call. */
  copy(tensors: Tensors): Record<string, RuntimeTensor> {
    return mapTensors(tensors, ({ type, shape, data }, name) => {
      const known = this.#arrays.get(name);
      const fits = known !== undefined && known.constructor === data.constructor && known.length >= data.length;
      const array = fits ? known : arrayLike(data, this.#allocate(data.byteLength));
      this.#arrays.set(name, array);
      array.set(data as never);
      return { type, shape, data: array.subarray(0, data.length) };
    });
  }
}

/** An array of the same kind over other memory. */
function arrayLike(data: TensorData, memory: ArrayBufferLike): TensorData {
  return new (data.constructor as new (memory: ArrayBufferLike) => TensorData)(memory);
}

function mapTensors(
  tensors: Tensors,
  change: (tensor: RuntimeTensor, name: string) => RuntimeTensor,
): Record<string, RuntimeTensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, change(tensor, name)]));
}
