/**
 * What every checkpoint reader hands on: named tensors as raw little-endian bytes, whatever file
 * they came from. Numbers are converted only where someone asks for them, so a float16 file costs
 * float16 memory until then.
 */
import { DiffrateError, quoted } from '../errors.ts';
import { float16Values } from './float16.ts';

/** Bytes per element of every tensor type that a checkpoint may hold. */
const ELEMENT_SIZES = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint64: 8,
  uint32: 4,
  uint16: 2,
  uint8: 1,
  bool: 1,
} as const;

/** Element type of a stored tensor. */
export type WeightType = keyof typeof ELEMENT_SIZES;

/**
 * One stored tensor; `bytes` is little-endian, row-major, and a view into the file's buffer (never
 * to be written to).
 */
export interface WeightTensor {
  readonly name: string;
  readonly type: WeightType;
  /** Dimensions, outermost first; empty for a scalar. */
  readonly shape: readonly number[];
  /** `elementCount(shape) · elementSize(type)` bytes. */
  readonly bytes: Uint8Array;
}

/** Names → tensors of a checkpoint. */
export type Weights = ReadonlyMap<string, WeightTensor>;

/** Bytes of one element of a type. */
export function elementSize(type: WeightType): number {
  return ELEMENT_SIZES[type];
}

/**
 * Number of elements of a shape (1 for a scalar), or `undefined` where a dimension is not a
 * non-negative integer or the product cannot be counted exactly: shapes come from files that may
 * lie.
 */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  let empty = false;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) return undefined;
    if (dimension === 0) empty = true;
    else count *= dimension;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return empty ? 0 : count;
}

/**
 * A float32 tensor around `values` (not copied); throws `DiffrateError` where they do not fill
 * `shape`.
 */
export function float32Tensor(name: string, shape: readonly number[], values: Float32Array): WeightTensor {
  if (elementCount(shape) !== values.length) {
    throw new DiffrateError(
      `Tensor ${quoted(name)} of shape [${shape.join(', ')}] cannot hold ${values.length} values: pass as many as the shape has.`,
    );
  }
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, type: 'float32', shape, bytes };
}

/**
 * The values of a floating point tensor, row-major, as float32: float32 as stored (no copy where
 * the bytes are aligned to 4), float16 and bfloat16 exactly, float64 rounded to nearest. Integer
 * tensors throw `DiffrateError`: no weight of a network is one, so a caller that asks has the wrong
 * tensor.
 */
export function float32Values(tensor: WeightTensor): Float32Array {
  switch (tensor.type) {
    case 'float32': {
      const bytes = alignedBytes(tensor.bytes, 4);
      return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    }
    case 'float64': {
      const bytes = alignedBytes(tensor.bytes, 8);
      return Float32Array.from(new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8));
    }
    case 'bfloat16': {
      const halves = uint16Values(tensor.bytes);
      // A bfloat16 is the upper half of a float32.
      const bits = Uint32Array.from(halves, (half) => half << 16);
      return new Float32Array(bits.buffer);
    }
    case 'float16':
      return float16Values(uint16Values(tensor.bytes));
    default:
      throw new DiffrateError(
        `Tensor ${quoted(tensor.name)} is ${tensor.type}, but floating point weights were expected: check that this checkpoint belongs to the model.`,
      );
  }
}

function uint16Values(bytes: Uint8Array): Uint16Array {
  const aligned = alignedBytes(bytes, 2);
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
}

/**
 * The same bytes at an offset that a typed array of this element size accepts; copies only where it
 * must.
 */
function alignedBytes(bytes: Uint8Array, alignment: number): Uint8Array {
  // Not `slice()`: that of Node's Buffer does not copy.
  return bytes.byteOffset % alignment === 0 ? bytes : new Uint8Array(bytes);
}
