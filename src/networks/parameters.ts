/**
 * A checkpoint's weights as parameters of a graph: constants with their names, checked against what
 * the network needs.
 */
import { DiffrateError, quoted } from '../errors.ts';
import { constant, elementCount, formatShape } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Parameters } from '../nn/parameters.ts';
import { float32Values } from '../checkpoints/weights.ts';
import type { Weights } from '../checkpoints/weights.ts';

/**
 * A `[C]` parameter is accepted where a checkpoint keeps ones around it (`[1, 1, C]`), as long as
 * the order is the same.
 */
const squeezed = (shape: readonly number[]): string => shape.filter((size) => size !== 1).join(',');

/** Whether a tensor of a checkpoint's shape serves as a parameter of another. */
export function isShapeOf(stored: readonly number[], needed: readonly number[]): boolean {
  return squeezed(stored) === squeezed(needed);
}

/**
 * Parameters from a checkpoint. Values become float32 once and are shared by every graph that is
 * built from them.
 * @param source the file or name that error sentences mention.
 */
export function parametersFromWeights(weights: Weights, source: string): Parameters {
  const built = new Map<string, Tensor>();
  return {
    has: (name) => weights.has(name),
    tensor(name, shape) {
      const known = built.get(name);
      if (known !== undefined) return known;
      const weight = weights.get(name);
      if (weight === undefined) {
        throw new DiffrateError(
          `${source} has no tensor ${quoted(name)} (${formatShape(shape)}); it is not a checkpoint of this model.`,
        );
      }
      if (!isShapeOf(weight.shape, shape)) {
        throw new DiffrateError(
          `${source}: the tensor ${quoted(name)} is ${formatShape(weight.shape)} where the model needs ${formatShape(shape)}; name the model that the checkpoint belongs to.`,
        );
      }
      const tensor = constant(float32Values(weight), shape, 'float32', name);
      built.set(name, tensor);
      return tensor;
    },
  };
}

/** Number of parameters (elements) of a checkpoint. */
export function parameterCount(weights: Weights): number {
  return [...weights.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
}
