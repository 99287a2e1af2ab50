/**
 * Softmax attention with a backward pass of its own. With `P = softmax(L)`, `out = P·V` and the
 * gradient `g` of `out`, the row sum that a softmax's backward takes over the map,
 * `Σ_j P_ij·(g_i·v_j)`, is `g_i·out_i`: a sum over the head's width instead (FlashAttention, arXiv
 * 2205.14135, appendix B.2). Two of four passes over the map remain: `dL = P ∘ (g·Vᵀ − g·out)`.
 */
import { matMul, mul, reduceSum, softmax, sub, transpose } from '../graph/operators/index.ts';
import { customGradient } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';

/** Attention probabilities and what they gather. */
export interface SoftmaxAttention {
  /** `[B, H, P, N]`; differentiable by the operators' own rules. */
  readonly probabilities: Tensor;
  /** `[B, H, P, D]` */
  readonly output: Tensor;
}

/** `softmax(logits)·values`: logits `[B, H, P, N]`, values `[B, H, N, D]`. */
export function softmaxAttention(logits: Tensor, values: Tensor): SoftmaxAttention {
  const probabilities = softmax(logits);
  const product = matMul(probabilities, values);
  const swapLast = (x: Tensor): Tensor => transpose(x, [0, 1, 3, 2]);
  const output = customGradient(product, [logits, values], (gradient) => {
    const perRow = reduceSum(mul(gradient, product), [-1], true);
    return [
      mul(probabilities, sub(matMul(gradient, swapLast(values)), perRow)),
      matMul(swapLast(probabilities), gradient),
    ];
  });
  return { probabilities, output };
}
