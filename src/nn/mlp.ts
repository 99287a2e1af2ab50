/** The two-layer perceptron of a transformer block (timm's `Mlp`). */
import { reshape } from '../graph/operators/index.ts';
import { multiplyDimensions } from '../graph/shapes.ts';
import { constantBytes } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { activate } from './activation.ts';
import type { Activation } from './activation.ts';
import { linear, linearParameters } from './linear.ts';
import type { Parameters } from './parameters.ts';
import { trainedMlp } from './trained-mlp.ts';

/** Sizes of the two layers, and what is between them. */
export interface MlpSizes {
  /** C */
  readonly width: number;
  readonly hiddenWidth: number;
  readonly activation: Activation;
}

/** `[B, N, C] → [B, N, C]` with the parameters `name.fc1`, `name.fc2`. */
export function mlp(
  x: Tensor,
  parameters: Parameters,
  name: string,
  { width, hiddenWidth: hidden, activation }: MlpSizes,
): Tensor {
  const leading = x.shape.slice(0, -1);
  const rows = reshape(x, [multiplyDimensions(leading), width]);
  const first = linearParameters(parameters, `${name}.fc1`, width, hidden);
  const second = linearParameters(parameters, `${name}.fc2`, hidden, width);
  // The special backward pass is that of the exact GELU.
  const isTrained = first.bias !== undefined && !(isConstant(first.weight) && isConstant(first.bias));
  const output =
    isTrained && activation === 'gelu'
      ? trainedMlp(rows, first.weight, first.bias, second)
      : linear(activate(linear(rows, first), activation), second);
  return reshape(output, [...leading, width]);
}

const isConstant = (parameter: Tensor): boolean => constantBytes(parameter) !== undefined;
