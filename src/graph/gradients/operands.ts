/**
 * What every rule needs: the operands of a node without their optionality, and sums over broadcast
 * axes.
 */
import { DiffrateError } from '../../errors.ts';
import { reduceSum, reshape } from '../operators/index.ts';
import { formatShape } from '../tensor.ts';
import type { GraphNode, Shape, Tensor } from '../tensor.ts';

/** Input `index` of a node, which the operator's function guarantees to be there. */
export function operand(node: GraphNode, index: number): Tensor {
  const tensor = node.inputs[index];
  if (tensor === undefined) throw new DiffrateError(`${node.operator} in ${node.scope} has no input ${index}.`);
  return tensor;
}

/** Output `index` of a node. */
export function result(node: GraphNode, index = 0): Tensor {
  const tensor = node.outputs[index];
  if (tensor === undefined) throw new DiffrateError(`${node.operator} in ${node.scope} has no output ${index}.`);
  return tensor;
}

/** Sums a gradient over the axes along which an operand of shape `shape` was broadcast. */
export function sumToShape(gradient: Tensor, shape: Shape): Tensor {
  const added = gradient.shape.length - shape.length;
  if (added < 0)
    throw new DiffrateError(`A gradient of ${formatShape(gradient.shape)} cannot be summed to ${formatShape(shape)}.`);
  const leading = Array.from({ length: added }, (_, axis) => axis);
  const collapsed = leading.length > 0 ? reduceSum(gradient, leading) : gradient;
  const axes = shape.flatMap((size, axis) => (size === 1 && collapsed.shape[axis] !== 1 ? [axis] : []));
  return reshape(axes.length > 0 ? reduceSum(collapsed, axes, true) : collapsed, shape);
}
