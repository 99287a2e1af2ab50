/**
 * Multi-head attention in the parts that token reduction needs to reach between: heads,
 * probabilities, output. Proportional attention (ToMe, arXiv 2210.09461, eq. 2; DiffRate uses it
 * always) adds log(size) of each key to the logits.
 */
import { add, log, matMul, mul, reshape, softmax, transpose } from '../graph/operators/index.ts';
import { multiplyDimensions } from '../graph/shapes.ts';
import { dimensionAt, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';

/** `[B, N, C] → [B, H, N, C / H]`. */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, tokens, width] = [dimensionAt(x, 0), dimensionAt(x, 1), sizeAt(x, 2)];
  return transpose(reshape(x, [batch, tokens, heads, width / heads]), [0, 2, 1, 3]);
}

/** `[B, H, N, D] → [B, N, H·D]`. */
export function joinHeads(x: Tensor): Tensor {
  const [batch, heads, tokens, width] = [dimensionAt(x, 0), sizeAt(x, 1), dimensionAt(x, 2), sizeAt(x, 3)];
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, tokens, heads * width]);
}

/**
 * `q·kᵀ/√D`: queries `[B, H, P, D]`, keys `[B, H, N, D]` → `[B, H, P, N]`. Heads join the batch for
 * the product: ONNX Runtime would merge the two transpositions of keys, to heads and to columns,
 * into one that it runs on a single thread; with a reshape between them the product takes up the
 * second.
 */
export function attentionLogits(queries: Tensor, keys: Tensor): Tensor {
  const [batch, heads] = [dimensionAt(queries, 0), sizeAt(queries, 1)];
  const joined = (x: Tensor): Tensor =>
    reshape(x, [multiplyDimensions([batch, heads]), 1, dimensionAt(x, 2), dimensionAt(x, 3)]);
  const products = matMul(joined(queries), transpose(joined(keys), [0, 1, 3, 2]));
  const logits = mul(products, 1 / Math.sqrt(sizeAt(queries, 3)));
  return reshape(logits, [batch, heads, dimensionAt(queries, 2), dimensionAt(keys, 2)]);
}

/** Token sizes `[B, N, 1]` as weights of keys, `[B, 1, 1, N]`. */
export function keyWeights(size: Tensor): Tensor {
  return reshape(size, [dimensionAt(size, 0), 1, 1, dimensionAt(size, 1)]);
}

/**
 * Logits `[B, H, P, N]` of proportional attention.
 * @param size token sizes `[B, N, 1]`; without them every token weighs the same.
 */
export function proportionalLogits(queries: Tensor, keys: Tensor, size?: Tensor): Tensor {
  const logits = attentionLogits(queries, keys);
  return size === undefined ? logits : add(logits, log(keyWeights(size)));
}

/**
 * Attention probabilities `[B, H, P, N]`.
 * @param size token sizes `[B, N, 1]` for proportional attention; without them every token weighs
 *   the same.
 */
export function attentionProbabilities(queries: Tensor, keys: Tensor, size?: Tensor): Tensor {
  return softmax(proportionalLogits(queries, keys, size));
}
