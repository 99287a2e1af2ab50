/** ONNX operators that move data without computing: reshape, transpose, slice, concatenate, pad, expand. */
import { DiffrateError } from '../../errors.ts';
import { foldRows, foldTranspose } from '../folding.ts';
import { constantBytes, formatShape, int64Vector, makeNode, makeSingle, normalizeAxis } from '../tensor.ts';
import type { Dimension, Shape, Tensor } from '../tensor.ts';
import { multiplyDimensions, sameShape } from '../shapes.ts';

/**
 * Gives the same data another shape. Named dimensions must stay at their axis, but for one, which is then inferred.
 * @throws {DiffrateError} where the number of elements differs or two names move.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const known = (sizes: Shape): boolean => sizes.every((size) => typeof size === 'number');
  if (known(x.shape) && known(shape) && multiplyDimensions(x.shape) !== multiplyDimensions(shape)) {
    throw new DiffrateError(`Reshape cannot turn ${formatShape(x.shape)} into ${formatShape(shape)}: the sizes differ.`);
  }
  const bytes = constantBytes(x);
  if (bytes !== undefined) return { type: x.type, shape, source: { kind: 'constant', name: undefined, bytes } };
  let inferred = 0;
  const target = shape.map((size, axis) => {
    if (typeof size === 'number') return size;
    if (x.shape[axis] === size) return 0;
    inferred += 1;
    return -1;
  });
  if (inferred > 1) {
    throw new DiffrateError(`Reshape cannot infer two moved dimensions of ${formatShape(shape)} from ${formatShape(x.shape)}.`);
  }
  return makeSingle('Reshape', [x, int64Vector(target)], { type: x.type, shape });
}

/** Permutes the axes: axis `i` of the result is axis `permutation[i]` of `x`. Constants are permuted at once. */
export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  const sorted = [...permutation].sort((a, b) => a - b);
  if (permutation.length !== x.shape.length || sorted.some((axis, index) => axis !== index)) {
    throw new DiffrateError(`Transpose of ${formatShape(x.shape)} needs each axis once, not [${permutation.join(', ')}].`);
  }
  if (permutation.every((axis, index) => axis === index)) return x;
  const shape = permutation.map((axis) => x.shape[axis] as Dimension);
  return foldTranspose(x, permutation) ?? makeSingle('Transpose', [x], { type: x.type, shape }, { perm: { ints: permutation } });
}

/** Joins tensors along an axis. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const [first] = tensors;
  if (first === undefined) throw new DiffrateError('Concat needs at least one tensor.');
  if (tensors.length === 1) return first;
  const joined = normalizeAxis(axis, first.shape.length);
  for (const tensor of tensors) {
    const fits = tensor.shape.length === first.shape.length && tensor.shape.every((size, at) => at === joined || size === first.shape[at]);
    if (!fits) {
      throw new DiffrateError(`Concat on axis ${axis} cannot join ${formatShape(first.shape)} and ${formatShape(tensor.shape)}.`);
    }
  }
  const sizes = tensors.map((tensor) => tensor.shape[joined] as Dimension);
  const known = sizes.every((size) => typeof size === 'number');
  const total = known ? sizes.reduce<number>((sum, size) => sum + Number(size), 0) : sizes.join('+');
  const shape = first.shape.map((size, at) => (at === joined ? total : size));
  return makeSingle('Concat', tensors, { type: first.type, shape }, { axis: { int: joined } });
}

/**
 * A range `start ≤ index < end` of one axis, every `step`-th element; negative bounds count from the end.
 * @throws {DiffrateError} where nothing would be left: ONNX Runtime must never see a dimension of zero.
 */
export function slice(x: Tensor, axis: number, start: number, end = Number.MAX_SAFE_INTEGER, step = 1): Tensor {
  const at = normalizeAxis(axis, x.shape.length);
  const size = x.shape[at];
  if (typeof size !== 'number') {
    throw new DiffrateError(`Slice of ${formatShape(x.shape)} on axis ${axis} needs a size known when the graph is built; use dynamicSlice.`);
  }
  const from = start < 0 ? size + start : start;
  const to = Math.min(size, end < 0 ? size + end : end);
  const length = Math.ceil((to - from) / step);
  if (length < 1 || from < 0) throw new DiffrateError(`Slice ${start}…${end} of axis ${axis} of ${formatShape(x.shape)} leaves nothing.`);
  if (length === size) return x;
  const shape = x.shape.map((old, index) => (index === at ? length : old));
  if (at === 0 && step === 1) {
    const rows = foldRows(x, from, length);
    if (rows !== undefined) return rows;
  }
  return makeSingle('Slice', [x, int64Vector([from]), int64Vector([to]), int64Vector([at]), int64Vector([step])], { type: x.type, shape });
}

/**
 * A range of one axis whose bounds are int64 vectors of one element, known only at run time.
 * @param name of the resulting dimension; the caller sees to it that it is at least 1.
 */
export function dynamicSlice(x: Tensor, axis: number, start: Tensor, end: Tensor, name: Dimension): Tensor {
  const at = normalizeAxis(axis, x.shape.length);
  const shape = x.shape.map((old, index) => (index === at ? name : old));
  return makeSingle('Slice', [x, start, end, int64Vector([at])], { type: x.type, shape });
}

/** Adds zeros (or `value`) before and after along one axis; amounts may be int64 vectors of one element. */
export function pad(x: Tensor, axis: number, before: number | Tensor, after: number | Tensor, size: Dimension): Tensor {
  const at = normalizeAxis(axis, x.shape.length);
  const amounts = concat([before, after].map((amount) => (typeof amount === 'number' ? int64Vector([amount]) : amount)), 0);
  const shape = x.shape.map((old, index) => (index === at ? size : old));
  return makeSingle('Pad', [x, amounts, undefined, int64Vector([at])], { type: x.type, shape });
}

/** Splits an axis into equal or given parts. */
export function split(x: Tensor, axis: number, sizes: readonly number[]): readonly Tensor[] {
  const at = normalizeAxis(axis, x.shape.length);
  if (sizes.reduce((sum, size) => sum + size, 0) !== x.shape[at]) {
    throw new DiffrateError(`Split of axis ${axis} of ${formatShape(x.shape)} into ${sizes.join(' + ')} does not add up.`);
  }
  const outputs = sizes.map((size) => ({ type: x.type, shape: x.shape.map((old, index) => (index === at ? size : old)) }));
  return makeNode('Split', [x, int64Vector(sizes)], outputs, { axis: { int: at } });
}

/** Shape of a tensor at run time, an int64 vector. */
export function shapeOf(x: Tensor): Tensor {
  return makeSingle('Shape', [x], { type: 'int64', shape: [x.shape.length] });
}

/** Broadcasts to a shape; named dimensions are taken from `like` at run time. */
export function expandLike(x: Tensor, like: Tensor): Tensor {
  if (sameShape(x.shape, like.shape)) return x;
  const known = like.shape.every((size) => typeof size === 'number');
  const target = known ? int64Vector(like.shape.map(Number)) : shapeOf(like);
  return makeSingle('Expand', [x, target], { type: x.type, shape: like.shape });
}
