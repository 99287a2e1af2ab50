/**
 * Tokens at length 1, for cosine similarities: `x / ‖x‖`.
 * Written as `x / √(mean(x²) + ε) / √C`, it is the chain of a root-mean-square layer norm.
 * ONNX Runtime fuses that into one operator on every backend.
 * A norm and a division by it would be two passes, and the norm a slow one.
 */
import { add, div, mul, pow, reduceMean, sqrt } from '../graph/operators/index.ts';
import { constant, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';

/** Keeps a token of zeros at zero; nothing to the mean square of any other. */
const smallestSquare = 1e-20;

/** `x [B, N, C]` with every token at Euclidean length 1. */
export function unitLength(x: Tensor): Tensor {
  const width = sizeAt(x, 2);
  const scale = constant(new Float32Array(width).fill(1 / Math.sqrt(width)), [width], 'float32');
  return mul(div(x, sqrt(add(reduceMean(pow(x, 2), [-1], true), smallestSquare))), scale);
}
