/**
 * Gradient rules of gathering. Rows may be gathered more than once, so their gradients are added
 * up: by the transposed one-hot matrix, which every backend runs deterministically (accumulating
 * scatters are neither portable nor repeatable).
 */
import { cast, equal, matMul, reshape } from '../operators/index.ts';
import { multiplyDimensions } from '../shapes.ts';
import { dimensionAt, int64Vector, sizeAt } from '../tensor.ts';
import type { Tensor } from '../tensor.ts';
import { operand } from './operands.ts';
import type { GradientRule } from './rule.ts';

/** `[N, 1]` int64: 0 … N−1. */
const countUp = (size: number): Tensor =>
  reshape(int64Vector(Array.from({ length: size }, (_, index) => index)), [size, 1]);

/** GatherND with one batch axis of `[B, N, …]`: `dX = onehot [B, N, P] · dY [B, P, …]`. */
const gatherNDRule: GradientRule = ({ node, gradients }) => {
  const [x, indices] = [operand(node, 0), operand(node, 1)];
  const gradient = gradients[0] as Tensor;
  const [batch, picked] = [dimensionAt(indices, 0), dimensionAt(indices, 1)];
  const chosen = reshape(indices, [batch, 1, picked]);
  const oneHot = cast(equal(chosen, countUp(sizeAt(x, 1))), 'float32');
  const flat = reshape(gradient, [batch, picked, multiplyDimensions(x.shape.slice(2))]);
  return [reshape(matMul(oneHot, flat), x.shape)];
};

/**
 * Gather along an axis, with the axes after it as one:
 * `dX […, N, Q] = onehot [N, K] · dY […, K, Q]`.
 */
const gatherRule: GradientRule = ({ node, gradients }) => {
  const [x, indices] = [operand(node, 0), operand(node, 1)];
  const attribute = node.attributes['axis'];
  const axis = attribute !== undefined && 'int' in attribute ? attribute.int : 0;
  const count = multiplyDimensions(indices.shape);
  const oneHot = cast(equal(reshape(indices, [1, count]), countUp(sizeAt(x, axis))), 'float32');
  const rows = [...x.shape.slice(0, axis), count, multiplyDimensions(x.shape.slice(axis + 1))];
  return [reshape(matMul(oneHot, reshape(gradients[0] as Tensor, rows)), x.shape)];
};

/** Rules of operators that choose elements; indices get none. */
export const selectionRules: Readonly<Record<string, GradientRule>> = {
  GatherND: (context) => [...gatherNDRule(context), undefined],
  Gather: (context) => [...gatherRule(context), undefined],
};
