/**
 * Importance of tokens, by which they are sorted before pruning and merging: the four metrics of DiffRate's Table 4a.
 * Every metric is `[B, N]`, larger is more important, and puts the class token first. No gradient flows through it.
 */
import { add, mul, reduceL2, reduceMean, reshape, transpose } from '../graph/operators/index.ts';
import { constant, dimensionAt, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { DiffrateError } from '../errors.ts';
import type { AttentionView } from './token-reducer.ts';

/** Metrics of Table 4a by the paper's names. */
export const importanceMetrics = ['class-attention', 'image-attention', 'class-attention-value', 'random'] as const;

/** How tokens are ranked. */
export type ImportanceMetric = (typeof importanceMetrics)[number];

/** Larger than any attention; added to the class token so that it always comes first. */
const alwaysFirst = 1e4;

/**
 * Importance `[B, N]`.
 * @param keepFirst token 0 is a class token and stays first.
 * @param seed of the `random` metric: one fixed order per block, the same for every image.
 */
export function importance(metric: ImportanceMetric, view: AttentionView, keepFirst: boolean, seed: number): Tensor {
  const score = metricOf(metric, view, seed);
  if (!keepFirst) return score;
  const first = Float32Array.from({ length: sizeAt(score, 1) }, (_, index) => (index === 0 ? alwaysFirst : 0));
  return add(score, constant(first, [1, first.length], 'float32'));
}

/** Whether a metric needs only the class token's row of attention, so that pruned tokens need not attend at all. */
export function needsOnlyClassAttention(metric: ImportanceMetric): boolean {
  return metric !== 'image-attention';
}

function metricOf(metric: ImportanceMetric, view: AttentionView, seed: number): Tensor {
  const [batch, tokens] = [dimensionAt(view.keys, 0), dimensionAt(view.keys, 2)];
  switch (metric) {
    case 'class-attention':
      return reduceMean(reshape(view.classAttention(), [batch, view.heads, tokens]), [1]);
    case 'class-attention-value': {
      const norms = transpose(reduceL2(view.values, [-1], true), [0, 1, 3, 2]);
      return reduceMean(reshape(mul(view.classAttention(), norms), [batch, view.heads, tokens]), [1]);
    }
    case 'image-attention':
      return reduceMean(view.probabilities(), [1, 2]);
    case 'random': {
      // A multiple of the class attention by zero carries the batch dimension without knowing it.
      const noise = constant(randomScores(Number(tokens), seed), [1, Number(tokens)], 'float32');
      return add(mul(reduceMean(reshape(view.classAttention(), [batch, view.heads, tokens]), [1]), 0), noise);
    }
    default:
      throw new DiffrateError(`Unknown importance metric "${String(metric)}"; use one of ${importanceMetrics.join(', ')}.`);
  }
}

/** Uniform scores from a seed (mulberry32). */
function randomScores(count: number, seed: number): Float32Array {
  let state = (seed * 0x9e3779b9) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  });
}
