/**
 * Attention per head as one number per token.
 * Sum and column come out of one product.
 * Reducing over the heads and reshaping to a column would be two operators,
 * each with a cost of its own where images are few.
 */
import { matMul, transpose } from '../graph/operators/index.ts';
import { constant, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';

/** `perHead [B, H, N]` summed over heads, each times `weight`: `[B, N, 1]`. */
export function sumOverHeads(perHead: Tensor, weight = 1): Tensor {
  const heads = sizeAt(perHead, 1);
  const weights = constant(new Float32Array(heads).fill(weight), [1, heads, 1], 'float32');
  return matMul(transpose(perHead, [0, 2, 1]), weights);
}
