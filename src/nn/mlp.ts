/** The two-layer perceptron of a transformer block (timm's `Mlp`, exact GELU). */
import { gelu } from '../graph/operators/index.ts';
import type { Tensor } from '../graph/tensor.ts';
import { linear, linearParameters } from './linear.ts';
import type { Parameters } from './parameters.ts';

/** `[B, N, C] → [B, N, C]` with the parameters `name.fc1`, `name.fc2`. */
export function mlp(x: Tensor, parameters: Parameters, name: string, width: number, hidden: number): Tensor {
  const expanded = linear(x, linearParameters(parameters, `${name}.fc1`, width, hidden));
  return linear(gelu(expanded), linearParameters(parameters, `${name}.fc2`, hidden, width));
}
