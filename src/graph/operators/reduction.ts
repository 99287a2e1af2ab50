/** ONNX operators that reduce or normalise along axes. */
import { DiffrateError } from '../../errors.ts';
import { reducedShape } from '../shapes.ts';
import { formatShape, int64Vector, makeNode, makeSingle, normalizeAxis } from '../tensor.ts';
import type { Dimension, Tensor } from '../tensor.ts';
import { abs } from './elementwise.ts';

function reduce(operator: string, x: Tensor, axes: readonly number[], keepDimensions: boolean): Tensor {
  // To ONNX no axes mean all of them.
  if (axes.length === 0) return operator === 'ReduceL2' ? abs(x) : x;
  const positive = axes.map((axis) => normalizeAxis(axis, x.shape.length));
  const shape = reducedShape(x.shape, positive, keepDimensions);
  return makeSingle(
    operator,
    [x, int64Vector(positive)],
    { type: x.type, shape },
    { keepdims: { int: keepDimensions ? 1 : 0 } },
  );
}

/** Sum over axes. */
export const reduceSum = (x: Tensor, axes: readonly number[], keepDimensions = false): Tensor =>
  reduce('ReduceSum', x, axes, keepDimensions);
/** Mean over axes. */
export const reduceMean = (x: Tensor, axes: readonly number[], keepDimensions = false): Tensor =>
  reduce('ReduceMean', x, axes, keepDimensions);
/** Maximum over axes; it has no gradient rule, since the library only uses it where none flows. */
export const reduceMax = (x: Tensor, axes: readonly number[], keepDimensions = false): Tensor =>
  reduce('ReduceMax', x, axes, keepDimensions);

/** Euclidean norm over axes; it has no gradient rule, since similarities carry none in DiffRate. */
export const reduceL2 = (x: Tensor, axes: readonly number[], keepDimensions = false): Tensor =>
  reduce('ReduceL2', x, axes, keepDimensions);

/** Softmax along an axis. */
export function softmax(x: Tensor, axis = -1): Tensor {
  return makeSingle(
    'Softmax',
    [x],
    { type: x.type, shape: x.shape },
    { axis: { int: normalizeAxis(axis, x.shape.length) } },
  );
}

/** Logarithm of the softmax along an axis. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return makeSingle(
    'LogSoftmax',
    [x],
    { type: x.type, shape: x.shape },
    { axis: { int: normalizeAxis(axis, x.shape.length) } },
  );
}

/** Layer norm over the last axis with its statistics, as ONNX gives them. */
export interface LayerNormalizationOutputs {
  readonly y: Tensor;
  /** `[…, 1]` */
  readonly mean: Tensor;
  /** `1 / sqrt(variance + ε)`, `[…, 1]` */
  readonly inverseStandardDeviation: Tensor;
}

/**
 * Layer normalisation over the last axis: `scale · (x − mean) / sqrt(variance + ε) + bias`, scale
 * and bias `[C]`.
 */
export function layerNormalization(x: Tensor, scale: Tensor, bias: Tensor, epsilon: number): LayerNormalizationOutputs {
  const width = x.shape.at(-1);
  if (scale.shape.length !== 1 || scale.shape[0] !== width || bias.shape[0] !== width) {
    throw new DiffrateError(
      `LayerNormalization of ${formatShape(x.shape)} needs a scale and a bias of [${width}], not ${formatShape(scale.shape)}.`,
    );
  }
  const statistics = { type: x.type, shape: [...x.shape.slice(0, -1), 1 as Dimension] };
  const attributes = { axis: { int: -1 }, epsilon: { float: epsilon } };
  const outputs = makeNode(
    'LayerNormalization',
    [x, scale, bias],
    [{ type: x.type, shape: x.shape }, statistics, statistics],
    attributes,
  );
  const [y, mean, inverseStandardDeviation] = outputs as [Tensor, Tensor, Tensor];
  return { y, mean, inverseStandardDeviation };
}
