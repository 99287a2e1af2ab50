/** Layer normalisation over the width. */
import { layerNormalization } from '../graph/operators/index.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Parameters } from './parameters.ts';

/** `[…, C] → […, C]` with the parameters `name.weight`, `name.bias` of `[C]`. */
export function layerNorm(x: Tensor, parameters: Parameters, name: string, width: number, epsilon: number): Tensor {
  const scale = parameters.tensor(`${name}.weight`, [width]);
  return layerNormalization(x, scale, parameters.tensor(`${name}.bias`, [width]), epsilon).y;
}
