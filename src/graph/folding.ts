/**
 * Constant folding, only where it pays: weights are transposed once when the graph is built, so
 * that neither the exported file nor a session carries a transposition of megabytes. ONNX Runtime
 * folds all small constants by itself.
 */
import { constant, constantFloats, elementCount } from './tensor.ts';
import type { Tensor } from './tensor.ts';

/**
 * Transposed copies by their source's memory, so that a weight used in two graphs is transposed
 * once.
 */
const transposed = new WeakMap<ArrayBufferLike, Map<string, Float32Array>>();

/** The transposed constant, or `undefined` where `x` is not a float32 constant. */
export function foldTranspose(x: Tensor, permutation: readonly number[]): Tensor | undefined {
  const values = constantFloats(x);
  if (values === undefined || x.source.kind !== 'constant') return undefined;
  const sizes = x.shape.map(Number);
  const shape = permutation.map((axis) => sizes[axis] ?? 1);
  const key = `${values.byteOffset}:${sizes.join(',')}:${permutation.join(',')}`;
  let copies = transposed.get(values.buffer);
  if (copies === undefined) transposed.set(values.buffer, (copies = new Map()));
  let result = copies.get(key);
  if (result === undefined) copies.set(key, (result = permute(values, sizes, permutation)));
  const { name } = x.source;
  return constant(result, shape, 'float32', name === undefined ? undefined : `${name}.transposed`);
}

/**
 * Leading rows of a constant as a view of its memory (a fused QKV weight is three such views);
 * otherwise `undefined`.
 */
export function foldRows(x: Tensor, start: number, count: number): Tensor | undefined {
  if (x.source.kind !== 'constant') return undefined;
  const { bytes, name } = x.source;
  const sizes = x.shape.map(Number);
  const row = bytes.length / (sizes[0] ?? 1);
  const view = bytes.subarray(start * row, (start + count) * row);
  const rows = name === undefined ? undefined : `${name}[${start}:${start + count}]`;
  return { type: x.type, shape: [count, ...sizes.slice(1)], source: { kind: 'constant', name: rows, bytes: view } };
}

function permute(values: Float32Array, sizes: readonly number[], permutation: readonly number[]): Float32Array {
  const strides = sizes.map((_, axis) => elementCount(sizes.slice(axis + 1)));
  const shape = permutation.map((axis) => sizes[axis] ?? 1);
  const steps = permutation.map((axis) => strides[axis] ?? 1);
  const result = new Float32Array(values.length);
  const rank = shape.length;
  const inner = shape[rank - 1] ?? 1;
  const innerStep = steps[rank - 1] ?? 1;
  const position = Array.from({ length: rank }, () => 0);
  let offset = 0;
  for (let start = 0; start < result.length; start += inner) {
    for (let index = 0; index < inner; index++) result[start + index] = values[offset + index * innerStep] as number;
    for (let axis = rank - 2; axis >= 0; axis--) {
      const next = (position[axis] as number) + 1;
      offset += steps[axis] as number;
      if (next < (shape[axis] as number)) {
        position[axis] = next;
        break;
      }
      offset -= next * (steps[axis] as number);
      position[axis] = 0;
    }
  }
  return result;
}
