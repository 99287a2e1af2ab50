/**
 * Gradient rules of gathering. Rows may be gathered more than once, so their gradients are added up: by the transposed
 * one-hot matrix, which every backend runs deterministically (accumulating scatters are neither portable nor repeatable).
 */
import { cast, equal, matMul, reshape, transpose } from '../operators/index.ts';
import { int64Vector, sizeAt } from '../tensor.ts';
import type { Tensor } from '../tensor.ts';
import { operand } from './operands.ts';
import type { GradientRule } from './rules.ts';

/** `[N, 1]` int64: 0 … N−1. */
const countUp = (size: number): Tensor => reshape(int64Vector(Array.from({ length: size }, (_, index) => index)), [size, 1]);

/** GatherND with one batch axis of `[B, N, …]`: `dX = onehot [B, N, P] · dY [B, P, …]`. */
const gatherNDRule: GradientRule = ({ node, gradients }) => {
  const [x, indices] = [operand(node, 0), operand(node, 1)];
  const gradient = gradients[0] as Tensor;
  const chosen = reshape(indices, [indices.shape[0] ?? 1, 1, indices.shape[1] ?? 1]);
  const oneHot = cast(equal(chosen, countUp(sizeAt(x, 1))), 'float32');
  if (x.shape.length === 3) return [matMul(oneHot, gradient)];
  const width = x.shape.slice(2).reduce<number>((product, size) => product * Number(size), 1);
  const flat = reshape(gradient, [gradient.shape[0] ?? 1, gradient.shape[1] ?? 1, width]);
  return [reshape(matMul(oneHot, flat), x.shape)];
};

/** Gather along axis 0 or another: the axis is moved to the front, where the one-hot product adds up. */
const gatherRule: GradientRule = ({ node, gradients }) => {
  const [x, indices] = [operand(node, 0), operand(node, 1)];
  const attribute = node.attributes['axis'];
  const axis = attribute !== undefined && 'int' in attribute ? attribute.int : 0;
  const gradient = gradients[0] as Tensor;
  const count = indices.shape.reduce<number>((product, size) => product * Number(size), 1);
  const size = sizeAt(x, axis);
  const oneHot = cast(equal(reshape(indices, [1, count]), countUp(size)), 'float32');
  const before = x.shape.slice(0, axis);
  const after = x.shape.slice(axis + 1);
  const flat = reshape(gradient, [...before, count, ...after]);
  const rank = x.shape.length;
  const toFront = [axis, ...x.shape.map((_, at) => at).filter((at) => at !== axis)];
  const moved = transpose(flat, toFront);
  const width = [...before, ...after].reduce<number>((product, part) => product * Number(part), 1);
  const summed = reshape(matMul(oneHot, reshape(moved, [count, width])), [size, ...before, ...after]);
  const back = Array.from({ length: rank }, (_, at) => toFront.indexOf(at));
  return [transpose(summed, back)];
};

/** Rules of operators that choose elements; indices get none. */
export const selectionRules: Readonly<Record<string, GradientRule>> = {
  GatherND: (context) => [...gatherNDRule(context), undefined],
  Gather: (context) => [...gatherRule(context), undefined],
};
