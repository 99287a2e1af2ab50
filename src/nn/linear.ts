/** Linear layer with PyTorch's weight layout. */
import { gemm, reshape } from '../graph/operators/index.ts';
import { multiplyDimensions } from '../graph/shapes.ts';
import { dimensionAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Parameters } from './parameters.ts';

/** Weight `[out, in]` and bias `[out]`. */
export interface LinearParameters {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
}

/**
 * `x·Wᵀ + b`: `[…, in] → […, out]`. All rows of a batch go through one Gemm, which adds the bias
 * while it writes and takes the weight as checkpoints store it, so that a gradient needs no
 * transposed copy.
 */
export function linear(x: Tensor, { weight, bias }: LinearParameters): Tensor {
  const leading = x.shape.slice(0, -1);
  const rows = reshape(x, [multiplyDimensions(leading), dimensionAt(x, -1)]);
  return reshape(gemm(rows, weight, bias, true), [...leading, dimensionAt(weight, 0)]);
}

/** Parameters `name.weight`, `name.bias`; the bias may be missing. */
export function linearParameters(
  parameters: Parameters,
  name: string,
  inputs: number,
  outputs: number,
): LinearParameters {
  const bias = parameters.has(`${name}.bias`) ? parameters.tensor(`${name}.bias`, [outputs]) : undefined;
  return { weight: parameters.tensor(`${name}.weight`, [outputs, inputs]), bias };
}
