/** The two-layer perceptron of a transformer block (timm's `Mlp`, exact GELU). */
import { gelu, reshape } from '../graph/operators/index.ts';
import { multiplyDimensions } from '../graph/shapes.ts';
import type { Tensor } from '../graph/tensor.ts';
import { linear, linearParameters } from './linear.ts';
import type { Parameters } from './parameters.ts';

/** `[B, N, C] → [B, N, C]` with the parameters `name.fc1`, `name.fc2`. */
export function mlp(x: Tensor, parameters: Parameters, name: string, width: number, hidden: number): Tensor {
  const leading = x.shape.slice(0, -1);
  const rows = reshape(x, [multiplyDimensions(leading), width]);
  const expanded = linear(rows, linearParameters(parameters, `${name}.fc1`, width, hidden));
  return reshape(linear(gelu(expanded), linearParameters(parameters, `${name}.fc2`, hidden, width)), [
    ...leading,
    width,
  ]);
}
