/**
 * The parameters that training moves: one flat vector in memory, and which part of it is which tensor of the network. Weights, gradients,
 * the optimizer's moments and the averaged weights are vectors of the same layout; ONNX Runtime reads and writes views of them.
 */
import { float32Tensor } from '../checkpoints/weights.ts';
import type { Weights } from '../checkpoints/weights.ts';
import { constantFloats, elementCount } from '../graph/tensor.ts';
import { networkParameters } from '../loading/network-parameters.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import type { Parameters } from '../nn/parameters.ts';
import { DiffrateError } from '../errors.ts';

/** One tensor of the network in the vector. */
export interface TrainedParameter {
  /** timm's name. */
  readonly name: string;
  readonly shape: readonly number[];
  /** First element in the vector. */
  readonly offset: number;
  readonly length: number;
  /** Whether weight decay shrinks it. */
  readonly decays: boolean;
}

/** What lies where in a vector of all parameters. */
export interface ParameterLayout {
  readonly parameters: readonly TrainedParameter[];
  /** Elements in all. */
  readonly length: number;
}

/** timm's rule (`param_groups_weight_decay`, `no_weight_decay`): not biases, norms, position embeddings and class token. */
const decays = (name: string, shape: readonly number[]): boolean =>
  shape.length > 1 && name !== 'pos_embed' && name !== 'cls_token';

/** The layout of a network's parameters; biases that `has` denies are left out. */
export function layoutOf(
  configuration: VisionTransformerConfiguration,
  has: (name: string) => boolean = () => true,
): ParameterLayout {
  const parameters: TrainedParameter[] = [];
  let offset = 0;
  for (const [name, shape] of networkParameters(configuration)) {
    if (!has(name)) continue;
    const length = elementCount(shape);
    parameters.push({ name, shape, offset, length, decays: decays(name, shape) });
    offset += length;
  }
  return { parameters, length: offset };
}

/** The part of a vector that is one parameter, in place. */
export function partOf(vector: Float32Array, { offset, length }: TrainedParameter): Float32Array {
  return vector.subarray(offset, offset + length);
}

/** A copy of a network's weights as one vector. */
export function vectorOf(layout: ParameterLayout, parameters: Parameters): Float32Array {
  const vector = new Float32Array(layout.length);
  for (const parameter of layout.parameters) {
    const values = constantFloats(parameters.tensor(parameter.name, parameter.shape));
    if (values === undefined) throw new DiffrateError(`The parameter ${parameter.name} has no values to train from.`);
    vector.set(values, parameter.offset);
  }
  return vector;
}

/** A vector as named tensors over its memory. */
export function weightsOf(layout: ParameterLayout, vector: Float32Array): Weights {
  return new Map(
    layout.parameters.map((parameter) => {
      const { name, shape } = parameter;
      return [name, float32Tensor(name, shape, partOf(vector, parameter))] as const;
    }),
  );
}
