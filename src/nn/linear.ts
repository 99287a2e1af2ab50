/** Linear layer with PyTorch's weight layout. */
import { add, matMul, transpose } from '../graph/operators/index.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Parameters } from './parameters.ts';

/** Weight `[out, in]` and bias `[out]`. */
export interface LinearParameters {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
}

/** `x·Wᵀ + b`: `[…, in] → […, out]`. */
export function linear(x: Tensor, { weight, bias }: LinearParameters): Tensor {
  const product = matMul(x, transpose(weight, [1, 0]));
  return bias === undefined ? product : add(product, bias);
}

/** Parameters `name.weight`, `name.bias`; a missing bias is none. */
export function linearParameters(parameters: Parameters, name: string, inputs: number, outputs: number): LinearParameters {
  const bias = parameters.has(`${name}.bias`) ? parameters.tensor(`${name}.bias`, [outputs]) : undefined;
  return { weight: parameters.tensor(`${name}.weight`, [outputs, inputs]), bias };
}
