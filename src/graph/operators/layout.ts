/**
 * ONNX operators that move data without computing: reshape, transpose, slice, concatenate, pad,
 * expand.
 */
import { DiffrateError } from '../../errors.ts';
import { foldRows, foldTranspose } from '../folding.ts';
import { constantBytes, formatShape, int64Vector, makeNode, makeSingle, normalizeAxis } from '../tensor.ts';
import type { Dimension, Shape, Tensor } from '../tensor.ts';
import { broadcastShapes, factorsOf, sameShape } from '../shapes.ts';

/**
 * Gives the same data another shape. All named dimensions but one must stay at their axis; the one
 * that moves is inferred.
 * @throws {DiffrateError} where the number of elements differs (as far as the same names are on
 *   both sides) or two names move.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const [before, after] = [factorsOf(x.shape), factorsOf(shape)];
  const valid = shape.every((size) => typeof size === 'string' || (Number.isInteger(size) && size > 0));
  if (!valid || (before.names === after.names && before.number !== after.number)) {
    throw new DiffrateError(
      `Reshape cannot turn ${formatShape(x.shape)} into ${formatShape(shape)}: the sizes differ.`,
    );
  }
  const bytes = constantBytes(x);
  if (bytes !== undefined && after.names === '')
    return { type: x.type, shape, source: { kind: 'constant', name: undefined, bytes } };
  const origin = reshapedFrom(x);
  if (origin !== undefined && movedNames(origin.shape, shape) <= 1) return reshape(origin, shape);
  let inferred = 0;
  const target = shape.map((size, axis) => {
    if (typeof size === 'number') return size;
    if (x.shape[axis] === size) return 0;
    inferred += 1;
    return -1;
  });
  if (inferred > 1) {
    throw new DiffrateError(
      `Reshape cannot infer two moved dimensions of ${formatShape(shape)} from ${formatShape(x.shape)}.`,
    );
  }
  return makeSingle('Reshape', [x, int64Vector(target)], { type: x.type, shape });
}

/** What a reshaped tensor was made from: the data in between need no shape of their own. */
function reshapedFrom({ source }: Tensor): Tensor | undefined {
  return source.kind === 'node' && source.node.operator === 'Reshape' ? source.node.inputs[0] : undefined;
}

/** How many named dimensions are not at their axis; a Reshape can infer one. */
function movedNames(before: Shape, after: Shape): number {
  return after.filter((size, axis) => typeof size === 'string' && before[axis] !== size).length;
}

/**
 * Permutes the axes: axis `i` of the result is axis `permutation[i]` of `x`. Constants are permuted
 * at once.
 */
export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  const sorted = [...permutation].sort((a, b) => a - b);
  if (permutation.length !== x.shape.length || sorted.some((axis, index) => axis !== index)) {
    throw new DiffrateError(
      `Transpose of ${formatShape(x.shape)} needs each axis once, not [${permutation.join(', ')}].`,
    );
  }
  if (permutation.every((axis, index) => axis === index)) return x;
  const shape = permutation.map((axis) => x.shape[axis] as Dimension);
  return (
    foldTranspose(x, permutation) ??
    makeSingle('Transpose', [x], { type: x.type, shape }, { perm: { ints: permutation } })
  );
}

/**
 * Joins tensors along an axis. Tensors that were joined along it before are joined in one go, so
 * they are copied only once.
 */
export function concat(joint: readonly Tensor[], axis: number): Tensor {
  const tensors = joint.flatMap((tensor) => joinedFrom(tensor, axis) ?? [tensor]);
  const [first] = tensors;
  if (first === undefined) throw new DiffrateError('Concat needs at least one tensor.');
  if (tensors.length === 1) return first;
  const joined = normalizeAxis(axis, first.shape.length);
  for (const tensor of tensors) {
    const fits =
      tensor.shape.length === first.shape.length &&
      tensor.shape.every((size, at) => at === joined || size === first.shape[at]);
    if (!fits) {
      throw new DiffrateError(
        `Concat on axis ${axis} cannot join ${formatShape(first.shape)} and ${formatShape(tensor.shape)}.`,
      );
    }
  }
  const sizes = tensors.map((tensor) => tensor.shape[joined] as Dimension);
  const known = sizes.every((size) => typeof size === 'number');
  const total = known ? sizes.reduce<number>((sum, size) => sum + Number(size), 0) : sizes.join('+');
  const shape = first.shape.map((size, at) => (at === joined ? total : size));
  return makeSingle('Concat', tensors, { type: first.type, shape }, { axis: { int: joined } });
}

/** The parts of a tensor that was joined along this axis. */
function joinedFrom({ source, shape }: Tensor, axis: number): readonly Tensor[] | undefined {
  if (source.kind !== 'node' || source.node.operator !== 'Concat') return undefined;
  const { attributes, inputs } = source.node;
  const joined = attributes['axis'];
  const same = joined !== undefined && 'int' in joined && joined.int === normalizeAxis(axis, shape.length);
  return same ? inputs.filter((part) => part !== undefined) : undefined;
}

/**
 * A range `start ≤ index < end` of one axis, every `step`-th element; negative bounds count from
 * the end. Where the size of the axis is a name, only the first element is known to be there:
 * `slice(x, axis, 0, 1)`.
 * @param step at least 1.
 * @throws {DiffrateError} where nothing would be left: ONNX Runtime must never see a dimension of
 *   zero.
 */
export function slice(x: Tensor, axis: number, start: number, end = Number.MAX_SAFE_INTEGER, step = 1): Tensor {
  const at = normalizeAxis(axis, x.shape.length);
  const named = typeof x.shape[at] === 'string';
  const isFirst = start === 0 && end === 1;
  const size = named && isFirst ? Number.MAX_SAFE_INTEGER : x.shape[at];
  if (typeof size !== 'number') {
    throw new DiffrateError(
      `Slice of ${formatShape(x.shape)} on axis ${axis} needs a size known when the graph is built; use dynamicSlice.`,
    );
  }
  const from = start < 0 ? size + start : start;
  const to = Math.min(size, end < 0 ? size + end : end);
  const length = Math.ceil((to - from) / step);
  if (!Number.isInteger(step) || step < 1) throw new DiffrateError(`Slice needs a step of at least 1, not ${step}.`);
  if (length < 1 || from < 0)
    throw new DiffrateError(`Slice ${start}…${end} of axis ${axis} of ${formatShape(x.shape)} leaves nothing.`);
  if (length === size) return x;
  const shape = x.shape.map((old, index) => (index === at ? length : old));
  if (at === 0 && step === 1) {
    const rows = foldRows(x, from, length);
    if (rows !== undefined) return rows;
  }
  return makeSingle('Slice', [x, int64Vector([from]), int64Vector([to]), int64Vector([at]), int64Vector([step])], {
    type: x.type,
    shape,
  });
}

/**
 * A range of one axis whose bounds are int64 vectors of one element, known only at run time. They
 * count from the start and lie within the axis: the gradient pads by them.
 * @param name of the resulting dimension; the caller sees to it that it is at least 1.
 */
export function dynamicSlice(x: Tensor, axis: number, start: Tensor, end: Tensor, name: Dimension): Tensor {
  const at = normalizeAxis(axis, x.shape.length);
  const shape = x.shape.map((old, index) => (index === at ? name : old));
  return makeSingle('Slice', [x, start, end, int64Vector([at])], { type: x.type, shape });
}

/**
 * Adds zeros before and after along one axis.
 * @param before number of zeros, or an int64 vector of one element.
 * @param size of the resulting axis.
 * @throws {DiffrateError} where known numbers do not add up.
 */
export function pad(x: Tensor, axis: number, before: number | Tensor, after: number | Tensor, size: Dimension): Tensor {
  const at = normalizeAxis(axis, x.shape.length);
  const parts = [x.shape[at], before, after, size];
  const known =
    parts.every((part) => typeof part === 'number') && Number(parts[0]) + Number(before) + Number(after) !== size;
  if (known || Number(before) < 0 || Number(after) < 0) {
    throw new DiffrateError(
      `Pad of axis ${axis} of ${formatShape(x.shape)} to ${size} does not fit the amounts given.`,
    );
  }
  const amounts = concat(
    [before, after].map((amount) => (typeof amount === 'number' ? int64Vector([amount]) : amount)),
    0,
  );
  const shape = x.shape.map((old, index) => (index === at ? size : old));
  return makeSingle('Pad', [x, amounts, undefined, int64Vector([at])], { type: x.type, shape });
}

/** Splits an axis into equal or given parts. */
export function split(x: Tensor, axis: number, sizes: readonly number[]): readonly Tensor[] {
  const at = normalizeAxis(axis, x.shape.length);
  if (sizes.reduce((sum, size) => sum + size, 0) !== x.shape[at] || sizes.some((size) => size < 1)) {
    throw new DiffrateError(
      `Split of axis ${axis} of ${formatShape(x.shape)} into ${sizes.join(' + ')} does not add up to parts of at least 1.`,
    );
  }
  const outputs = sizes.map((size) => ({
    type: x.type,
    shape: x.shape.map((old, index) => (index === at ? size : old)),
  }));
  return makeNode('Split', [x, int64Vector(sizes)], outputs, { axis: { int: at } });
}

/** Shape of a tensor at run time, an int64 vector. */
export function shapeOf(x: Tensor): Tensor {
  return makeSingle('Shape', [x], { type: 'int64', shape: [x.shape.length] });
}

/**
 * Broadcasts to the shape of another tensor; named dimensions are taken from it at run time.
 * @throws {DiffrateError} where `x` does not broadcast to exactly that shape.
 */
export function expandLike(x: Tensor, like: Tensor): Tensor {
  if (sameShape(x.shape, like.shape)) return x;
  if (!sameShape(broadcastShapes('Expand', x.shape, like.shape), like.shape)) {
    throw new DiffrateError(`Expand cannot turn ${formatShape(x.shape)} into ${formatShape(like.shape)}.`);
  }
  const known = like.shape.every((size) => typeof size === 'number');
  const target = known ? int64Vector(like.shape.map(Number)) : shapeOf(like);
  return makeSingle('Expand', [x, target], { type: x.type, shape: like.shape });
}
