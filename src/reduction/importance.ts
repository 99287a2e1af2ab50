/**
 * Importance of tokens, by which they are sorted before pruning and merging: the four metrics of
 * DiffRate's Table 4a. Every metric is `[B, N, 1]`, larger is more important, and puts prefix
 * tokens first. No gradient flows through it. The number of tokens may be a name.
 */
import { add, concat, dynamicSlice, mul, reduceL2 } from '../graph/operators/index.ts';
import { constant, dimensionAt, int64Vector, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { DiffrateError } from '../errors.ts';
import { uniformNumbers } from './random-numbers.ts';
import { sumOverHeads } from './sum-over-heads.ts';
import type { ImportanceSource } from './network-shape.ts';
import { leadingTokens, perToken, prefixBonus } from './token-layout.ts';
import type { TokenLayout } from './token-layout.ts';
import type { AttendedView, BlockView } from './token-reducer.ts';

/** Metrics of Table 4a by the paper's names. */
export const importanceMetrics = ['class-attention', 'image-attention', 'class-attention-value', 'random'] as const;

/** How tokens are ranked. */
export type ImportanceMetric = (typeof importanceMetrics)[number];

/** The metric of a network: what the DiffRate paper ranks its tokens by. */
export function metricFor(source: ImportanceSource): ImportanceMetric {
  return source === 'class-token' ? 'class-attention' : 'image-attention';
}

/**
 * Importance `[B, N, 1]`.
 * @param layout prefix tokens stay first, in their order.
 * @param seed of the `random` metric: one fixed order per block, the same for every image.
 */
export function importance(
  metric: ImportanceMetric,
  view: BlockView | AttendedView,
  { prefix }: Pick<TokenLayout, 'prefix'>,
  seed: number,
): Tensor {
  const score = metricOf(metric, view, seed);
  if (prefix === 0) return score;
  const count = dimensionAt(score, 1);
  const bonus = (tokens: number): Tensor =>
    perToken({ prefix }, tokens, { prefix: (position) => prefixBonus(prefix, position), grid: () => 0 });
  if (typeof count === 'number') return add(score, bonus(count));
  const others = dynamicSlice(score, 1, int64Vector([prefix]), int64Vector([Number.MAX_SAFE_INTEGER]), 'patches');
  return concat([add(leadingTokens(score, prefix), bonus(prefix)), others], 1);
}

/**
 * Whether a metric needs only the class token's row of attention, so that pruned tokens need not
 * attend at all.
 */
export function needsOnlyClassAttention(metric: ImportanceMetric): boolean {
  return metric !== 'image-attention';
}

function metricOf(metric: ImportanceMetric, view: BlockView | AttendedView, seed: number): Tensor {
  const meanOverHeads = (perHead: Tensor): Tensor => sumOverHeads(perHead, 1 / view.heads);
  switch (metric) {
    case 'class-attention':
      return meanOverHeads(view.classAttention());
    case 'class-attention-value':
      return meanOverHeads(mul(view.classAttention(), reduceL2(view.values, [-1])));
    case 'image-attention':
      if ('attentionReceived' in view) return view.attentionReceived();
      throw new DiffrateError('What tokens receive of attention is not known before they attend; rank them after it.');
    case 'random':
      // Zero times the class attention has the batch dimension, whose size is not known here.
      return add(
        mul(meanOverHeads(view.classAttention()), 0),
        constant(uniformNumbers(sizeAt(view.keys, 2), seed), [1, sizeAt(view.keys, 2), 1], 'float32'),
      );
    default:
      throw new DiffrateError(
        `Unknown importance metric "${String(metric)}"; use one of ${importanceMetrics.join(', ')}.`,
      );
  }
}
