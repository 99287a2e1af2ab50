/**
 * Importance of tokens, by which they are sorted before pruning and merging: the four metrics of DiffRate's Table 4a.
 * Every metric is `[B, N, 1]`, larger is more important, and puts the class token first. No gradient flows through it.
 */
import { add, mul, reduceL2, reduceMean, reshape } from '../graph/operators/index.ts';
import { constant, dimensionAt, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { DiffrateError } from '../errors.ts';
import { uniformNumbers } from './random-numbers.ts';
import { sumOverHeads } from './sum-over-heads.ts';
import type { AttentionView } from './token-reducer.ts';

/** Metrics of Table 4a by the paper's names. */
export const importanceMetrics = ['class-attention', 'image-attention', 'class-attention-value', 'random'] as const;

/** How tokens are ranked. */
export type ImportanceMetric = (typeof importanceMetrics)[number];

/** Larger than any attention; added to the class token so that it always comes first. */
const alwaysFirst = 1e4;

/**
 * Importance `[B, N, 1]`.
 * @param keepFirst token 0 is a class token and stays first.
 * @param seed of the `random` metric: one fixed order per block, the same for every image.
 */
export function importance(metric: ImportanceMetric, view: AttentionView, keepFirst: boolean, seed: number): Tensor {
  const score = metricOf(metric, view, seed);
  if (!keepFirst) return score;
  const first = Float32Array.from({ length: sizeAt(score, 1) }, (_, index) => (index === 0 ? alwaysFirst : 0));
  return add(score, constant(first, [1, first.length, 1], 'float32'));
}

/** Whether a metric needs only the class token's row of attention, so that pruned tokens need not attend at all. */
export function needsOnlyClassAttention(metric: ImportanceMetric): boolean {
  return metric !== 'image-attention';
}

function metricOf(metric: ImportanceMetric, view: AttentionView, seed: number): Tensor {
  const tokens = sizeAt(view.keys, 2);
  const meanOverHeads = (perHead: Tensor): Tensor => sumOverHeads(perHead, 1 / view.heads);
  switch (metric) {
    case 'class-attention':
      return meanOverHeads(view.classAttention());
    case 'class-attention-value':
      return meanOverHeads(mul(view.classAttention(), reduceL2(view.values, [-1])));
    case 'image-attention':
      return reshape(reduceMean(view.probabilities(), [1, 2]), [dimensionAt(view.keys, 0), tokens, 1]);
    case 'random':
      // A multiple of the class attention by zero carries the batch dimension without knowing it.
      return add(
        mul(meanOverHeads(view.classAttention()), 0),
        constant(uniformNumbers(tokens, seed), [1, tokens, 1], 'float32'),
      );
    default:
      throw new DiffrateError(
        `Unknown importance metric "${String(metric)}"; use one of ${importanceMetrics.join(', ')}.`,
      );
  }
}
