/**
 * ONNX operators that choose elements: top-k, arg-max, gather, scatter. None of the indices carries
 * a gradient.
 */
import { DiffrateError } from '../../errors.ts';
import { formatShape, int64Vector, makeNode, makeSingle, normalizeAxis } from '../tensor.ts';
import type { Dimension, Tensor } from '../tensor.ts';
import { sameShape } from '../shapes.ts';

/** The k largest (or smallest) elements of an axis in order, and their indices. */
export interface TopKOutputs {
  readonly values: Tensor;
  /** int64 */
  readonly indices: Tensor;
}

/**
 * Sorted top-k along an axis, the last by default; equal elements come in the order of their
 * indices.
 * @param k a number, or an int64 vector of one element with the name that its dimension gets.
 */
export function topK(
  x: Tensor,
  k: number | { readonly count: Tensor; readonly name: Dimension },
  largest = true,
  axis = -1,
): TopKOutputs {
  const at = normalizeAxis(axis, x.shape.length);
  const size = x.shape[at];
  const kept = typeof k === 'number' ? k : k.name;
  if (typeof k === 'number' && (k < 1 || (typeof size === 'number' && k > size))) {
    throw new DiffrateError(`TopK cannot choose ${k} of the ${size} elements of ${formatShape(x.shape)}.`);
  }
  const shape = x.shape.map((old, index) => (index === at ? kept : old));
  const count = typeof k === 'number' ? int64Vector([k]) : k.count;
  const attributes = { axis: { int: at }, largest: { int: largest ? 1 : 0 }, sorted: { int: 1 } };
  const [values, indices] = makeNode(
    'TopK',
    [x, count],
    [
      { type: x.type, shape },
      { type: 'int64', shape },
    ],
    attributes,
  ) as [Tensor, Tensor];
  return { values, indices };
}

/** Index of the largest element of an axis (the first of equals), int64. */
export function argMax(x: Tensor, axis: number, keepDimensions = false): Tensor {
  const at = normalizeAxis(axis, x.shape.length);
  const shape = keepDimensions
    ? x.shape.map((size, index) => (index === at ? 1 : size))
    : x.shape.filter((_, index) => index !== at);
  return makeSingle(
    'ArgMax',
    [x],
    { type: 'int64', shape },
    { axis: { int: at }, keepdims: { int: keepDimensions ? 1 : 0 } },
  );
}

/**
 * Takes single elements along an axis: `indices` (int64, ≥ 0) have the shape of `x` but for that
 * axis, and the result has theirs. It has no gradient rule, since sorting brings one of its own.
 */
export function gatherElements(x: Tensor, indices: Tensor, axis: number): Tensor {
  const at = normalizeAxis(axis, x.shape.length);
  if (x.shape.length !== indices.shape.length || !sameShape(x.shape.with(at, 0), indices.shape.with(at, 0))) {
    throw new DiffrateError(
      `GatherElements on axis ${axis} of ${formatShape(x.shape)} needs indices that differ from it on that axis alone, not ${formatShape(indices.shape)}.`,
    );
  }
  return makeSingle('GatherElements', [x, indices], { type: x.type, shape: indices.shape }, { axis: { int: at } });
}

/**
 * Takes whole slices of an axis by int64 indices ≥ 0 of any rank: the axis is replaced by the
 * indices' axes.
 */
export function gather(x: Tensor, indices: Tensor, axis: number): Tensor {
  const at = normalizeAxis(axis, x.shape.length);
  const shape = [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)];
  return makeSingle('Gather', [x, indices], { type: x.type, shape }, { axis: { int: at } });
}

/**
 * Rows by index, per image: `x [B, N, …]`, `indices [B, P, 1]` (int64, ≥ 0) → `[B, P, …]` (GatherND
 * with one batch axis). Copies whole rows, which GatherElements with expanded indices does not.
 */
export function gatherND(x: Tensor, indices: Tensor): Tensor {
  if (indices.shape.length !== 3 || indices.shape[2] !== 1 || indices.shape[0] !== x.shape[0]) {
    throw new DiffrateError(
      `GatherND of ${formatShape(x.shape)} needs indices [B, P, 1], not ${formatShape(indices.shape)}.`,
    );
  }
  const shape = [x.shape[0] as Dimension, indices.shape[1] as Dimension, ...x.shape.slice(2)];
  return makeSingle('GatherND', [x, indices], { type: x.type, shape }, { batch_dims: { int: 1 } });
}

/**
 * A copy of `x` in which the elements at `indices` (int64, ≥ 0, shaped as `updates`) of an axis are
 * replaced. It has no gradient rule, since the library scatters positions only.
 */
export function scatterElements(x: Tensor, indices: Tensor, updates: Tensor, axis: number): Tensor {
  const at = normalizeAxis(axis, x.shape.length);
  const fits =
    sameShape(indices.shape, updates.shape) &&
    x.type === updates.type &&
    sameShape(x.shape.with(at, 0), updates.shape.with(at, 0));
  if (!fits) {
    throw new DiffrateError(
      `ScatterElements on axis ${axis} of ${formatShape(x.shape)} (${x.type}) cannot put ${formatShape(updates.shape)} (${updates.type}) at indices ${formatShape(indices.shape)}.`,
    );
  }
  return makeSingle('ScatterElements', [x, indices, updates], { type: x.type, shape: x.shape }, { axis: { int: at } });
}
