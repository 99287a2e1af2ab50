/** Cross-entropy with soft targets: mixed or smoothed labels, or another network's answers. */
import { logSoftmax, mul, neg, reduceMean, reduceSum } from '../graph/operators/index.ts';
import type { Tensor } from '../graph/tensor.ts';

/**
 * Mean over images of `−Σ target·log softmax(logits)`, a scalar; both operands `[B, classes]`, the
 * targets' rows sum to 1.
 */
export function crossEntropy(logits: Tensor, targets: Tensor): Tensor {
  return neg(reduceMean(reduceSum(mul(targets, logSoftmax(logits)), [1]), [0]));
}
