/** Gradient rules of operators that move data: each is undone by another of them. */
import { DiffrateError } from '../../errors.ts';
import { concat, dynamicSlice, expandLike, pad, reshape, shapeOf, slice, sub, transpose } from '../operators/index.ts';
import { constantBytes, int64Vector, makeSingle, scalar } from '../tensor.ts';
import type { GraphNode, Tensor } from '../tensor.ts';
import { operand, sumToShape } from './operands.ts';
import type { GradientRule } from './rule.ts';

/** Integers of a constant int64 vector, or `undefined` where it is known only at run time. */
function constantIntegers(tensor: Tensor | undefined): number[] | undefined {
  const bytes = tensor === undefined ? undefined : constantBytes(tensor);
  return bytes === undefined ? undefined : [...new BigInt64Array(bytes.slice().buffer)].map(Number);
}

const integerAttribute = (node: GraphNode, name: string, otherwise: number): number => {
  const attribute = node.attributes[name];
  return attribute !== undefined && 'int' in attribute ? attribute.int : otherwise;
};

const sliceRule: GradientRule = ({ node, gradients }) => {
  const x = operand(node, 0);
  const gradient = gradients[0] as Tensor;
  const axis = (constantIntegers(node.inputs[3]) as number[])[0] as number;
  const size = x.shape[axis] ?? 1;
  const start = operand(node, 1);
  const end = operand(node, 2);
  const [from] = constantIntegers(start) ?? [];
  const [to] = constantIntegers(end) ?? [];
  const [step] = constantIntegers(node.inputs[4]) ?? [1];
  if (step !== 1) throw new DiffrateError(`Slice with step ${step} in ${node.scope} has no gradient rule.`);
  if (from !== undefined && to !== undefined && typeof size === 'number') {
    return [pad(gradient, axis, from, size - to, size)];
  }
  const whole = dynamicSlice(shapeOf(x), 0, int64Vector([axis]), int64Vector([axis + 1]), 1);
  return [pad(gradient, axis, start, sub(whole, end), size)];
};

const concatRule: GradientRule = ({ node, gradients, needs }) => {
  const gradient = gradients[0] as Tensor;
  const axis = integerAttribute(node, 'axis', 0);
  let start: number | Tensor = 0;
  return node.inputs.map((value, index) => {
    const part = value as Tensor;
    const size = part.shape[axis];
    if (typeof size === 'number' && typeof start === 'number' && typeof gradient.shape[axis] === 'number') {
      const from: number = start;
      start = from + size;
      return needs[index] === true ? slice(gradient, axis, from, from + size) : undefined;
    }
    const from: Tensor = typeof start === 'number' ? int64Vector([start]) : start;
    const length = dynamicSlice(shapeOf(part), 0, int64Vector([axis]), int64Vector([axis + 1]), 1);
    const to = makeSingle('Add', [from, length], { type: 'int64', shape: [1] });
    start = to;
    return needs[index] === true ? dynamicSlice(gradient, axis, from, to, size ?? 1) : undefined;
  });
};

/** Rules of operators that only move data. */
export const layoutRules: Readonly<Record<string, GradientRule>> = {
  Identity: ({ gradients }) => [gradients[0]],
  Reshape: ({ node, gradients }) => [reshapeBack(gradients[0] as Tensor, operand(node, 0))],
  Transpose: ({ node, gradients }) => {
    const attribute = node.attributes['perm'];
    const permutation = attribute !== undefined && 'ints' in attribute ? attribute.ints : [];
    const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
    return [transpose(gradients[0] as Tensor, inverse)];
  },
  Slice: sliceRule,
  Concat: concatRule,
  Pad: ({ node, gradients }) => {
    const x = operand(node, 0);
    const gradient = gradients[0] as Tensor;
    const axis = (constantIntegers(node.inputs[3]) as number[])[0] as number;
    const before = dynamicSlice(operand(node, 1), 0, int64Vector([0]), int64Vector([1]), 1);
    const length = dynamicSlice(shapeOf(x), 0, int64Vector([axis]), int64Vector([axis + 1]), 1);
    const end = makeSingle('Add', [before, length], { type: 'int64', shape: [1] });
    return [dynamicSlice(gradient, axis, before, end, x.shape[axis] ?? 1)];
  },
  Expand: ({ node, gradients }) => [sumToShape(gradients[0] as Tensor, operand(node, 0).shape)],
  Split: ({ node, gradients }) => {
    const axis = integerAttribute(node, 'axis', 0);
    const parts = node.outputs.map((part, index) => gradients[index] ?? zerosLike(part));
    return [concat(parts, axis)];
  },
};

/** Undoes a reshape; with two moved names the shape is taken from the operand at run time. */
function reshapeBack(gradient: Tensor, x: Tensor): Tensor {
  const movedNames = x.shape.filter((size, axis) => typeof size === 'string' && gradient.shape[axis] !== size);
  if (movedNames.length <= 1) return reshape(gradient, x.shape);
  return makeSingle('Reshape', [gradient, shapeOf(x)], { type: gradient.type, shape: x.shape });
}

function zerosLike(x: Tensor): Tensor {
  return expandLike(
    reshape(
      scalar(0),
      x.shape.map(() => 1),
    ),
    x,
  );
}
