/** The two-layer perceptron of a transformer block (timm's `Mlp`, exact GELU). */
import { gelu, reshape } from '../graph/operators/index.ts';
import { multiplyDimensions } from '../graph/shapes.ts';
import { constantBytes } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { linear, linearParameters } from './linear.ts';
import type { Parameters } from './parameters.ts';
import { trainedMlp } from './trained-mlp.ts';

/** `[B, N, C] → [B, N, C]` with the parameters `name.fc1`, `name.fc2`. */
export function mlp(x: Tensor, parameters: Parameters, name: string, width: number, hidden: number): Tensor {
  const leading = x.shape.slice(0, -1);
  const rows = reshape(x, [multiplyDimensions(leading), width]);
  const first = linearParameters(parameters, `${name}.fc1`, width, hidden);
  const second = linearParameters(parameters, `${name}.fc2`, hidden, width);
  const isTrained = constantBytes(first.weight) === undefined && first.bias !== undefined;
  const output = isTrained
    ? trainedMlp(rows, first.weight, first.bias, second)
    : linear(gelu(linear(rows, first)), second);
  return reshape(output, [...leading, width]);
}
