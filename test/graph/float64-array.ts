/**
 * Values of the float64 interpreter: a shape of numbers and one float64 per element, whatever the
 * element type.
 */
import { elementCount } from '../../src/graph/tensor.ts';
import type { ElementType } from '../../src/graph/tensor.ts';

/** Elements in row-major order; booleans are 0 and 1, integers exact up to 2^53. */
export interface Float64Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** A value by the position of each element. */
export function fromPositions(
  shape: readonly number[],
  element: (position: readonly number[]) => number,
): Float64Tensor {
  const data = new Float64Array(elementCount(shape));
  data.forEach((_, index) => (data[index] = element(positionOf(shape, index))));
  return { shape, data };
}

/** Position of the element at an offset. */
export function positionOf(shape: readonly number[], offset: number): number[] {
  let rest = offset;
  return shape.map((_, axis) => {
    const inner = elementCount(shape.slice(axis + 1));
    const at = Math.floor(rest / inner);
    rest -= at * inner;
    return at;
  });
}

/** The element at a position. */
export function elementAt(x: Float64Tensor, position: readonly number[]): number {
  let offset = 0;
  x.shape.forEach((size, axis) => {
    const at = position[axis] ?? NaN;
    if (!(at >= 0 && at < size))
      throw new RangeError(`position ${position.join(',')} lies outside ${x.shape.join('×')}`);
    offset = offset * size + at;
  });
  return x.data[offset] as number;
}

/** The element that NumPy's broadcasting puts at a position of a larger shape. */
export function broadcastElement(x: Float64Tensor, position: readonly number[]): number {
  const own = position.slice(position.length - x.shape.length);
  return elementAt(
    x,
    own.map((at, axis) => (x.shape[axis] === 1 ? 0 : at)),
  );
}

/** NumPy's broadcast shape of several. */
export function commonShape(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    const size = sizes.find((one) => one !== 1) ?? 1;
    if (sizes.some((one) => one !== 1 && one !== size))
      throw new RangeError(`${shapes.join(' and ')} do not broadcast`);
    return size;
  });
}

/** Applies a function to each set of broadcast elements. */
export function elementWise(
  operands: readonly Float64Tensor[],
  apply: (...elements: number[]) => number,
): Float64Tensor {
  const shape = commonShape(operands.map((operand) => operand.shape));
  return fromPositions(shape, (position) => apply(...operands.map((operand) => broadcastElement(operand, position))));
}

/** Reads a tensor's bytes as ONNX stores them. */
export function decodeBytes(bytes: Uint8Array, type: ElementType, shape: readonly number[]): Float64Tensor {
  const { buffer } = new Uint8Array(bytes);
  if (type === 'float32') return { shape, data: Float64Array.from(new Float32Array(buffer)) };
  if (type === 'int64') return { shape, data: Float64Array.from(new BigInt64Array(buffer), Number) };
  if (type === 'bool') return { shape, data: Float64Array.from(new Uint8Array(buffer)) };
  throw new TypeError(`the interpreter does not read ${type}`);
}
