/**
 * ToMe's bipartite soft matching (arXiv 2210.09461, `merge.py` of the authors' code). Tokens at
 * even positions each propose the most similar token at an odd position. The `r` most similar pairs
 * merge. Prefix tokens take no part. The prefix, the other even tokens and then the odd ones are
 * left. The even ones keep their order; where there is no prefix, the authors' code orders them by
 * falling similarity.
 */
import { add, matMul, mul, reduceMax, slice, sub, topK, transpose } from '../graph/operators/index.ts';
import { constant, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { lookUp, perPosition } from './positions.ts';
import { perToken } from './token-layout.ts';
import type { TokenLayout } from './token-layout.ts';
import { excluded, mostSimilar, sourceFlags } from './weighted-merge.ts';
import type { Merging } from './weighted-merge.ts';

/** A merging and the order of what is left. */
export interface BipartiteMatching {
  readonly merging: Merging;
  /**
   * `[B, N, 1]`, larger comes first: prefix tokens, unmerged even tokens, odd tokens, merged ones.
   */
  readonly rank: Tensor;
}

/** The most pairs that can merge among `tokens` tokens, prefix tokens counted. */
export function mostPairs(tokens: number, { prefix }: Pick<TokenLayout, 'prefix'>): number {
  return Math.max(0, Math.floor((tokens - prefix) / 2));
}

/**
 * Matches tokens by `metric [B, N, D]`, rows of length 1.
 * @param pairs from 1 to `mostPairs`.
 */
export function matchEvenToOdd(metric: Tensor, pairs: number, layout: TokenLayout): BipartiteMatching {
  const tokens = sizeAt(metric, 1);
  const odd = Math.floor(tokens / 2);
  const products = matMul(metric, transpose(slice(metric, 1, 1, tokens, 2), [0, 2, 1]));
  const similarity = withoutPrefix(products, layout);
  const isSource = perToken(layout, tokens, {
    prefix: () => excluded,
    grid: (position) => (isEven(position) ? 0 : excluded),
  });
  const highest = reduceMax(similarity, [2], true);
  const sources = topK(add(highest, isSource), pairs, true, 1).indices;
  const destinations = lookUp(mostSimilar(similarity, sources), odd, (index) => 2 * index + 1);
  const flags = sourceFlags(sources, tokens);
  const rank = layout.prefix > 0 ? byPosition(flags, layout) : bySimilarity(highest, flags);
  return { merging: { sources, destinations }, rank };
}

const isEven = (position: number): boolean => position % 2 === 0;

/** Products `[B, N, M]` with the M odd tokens; those of the prefix are never the most similar. */
export function withoutPrefix(products: Tensor, { prefix }: TokenLayout): Tensor {
  if (prefix < 2) return products;
  const odd = sizeAt(products, 2);
  const row = Float32Array.from({ length: odd }, (_, index) => (2 * index + 1 < prefix ? excluded : 0));
  return add(products, constant(row, [1, 1, odd], 'float32'));
}

/** The prefix, even tokens in order, odd ones in order, and what merged: flags `[B, N, 1]`. */
function byPosition(flags: Tensor, layout: TokenLayout): Tensor {
  const tokens = sizeAt(flags, 1);
  const inOrder = perToken(layout, tokens, {
    prefix: (position) => 2 * tokens + layout.prefix - 1 - position,
    grid: (position) => (isEven(position) ? 2 * tokens : tokens) - position,
  });
  return sub(inOrder, mul(flags, 3 * tokens));
}

/**
 * Even tokens by their highest similarity, `highest [B, N, 1]` within ±1, then odd ones in order,
 * then what merged.
 */
function bySimilarity(highest: Tensor, flags: Tensor): Tensor {
  const tokens = sizeAt(flags, 1);
  const evenOnly = perPosition(tokens, (position) => (isEven(position) ? 1 : 0));
  const oddInOrder = perPosition(tokens, (position) => (isEven(position) ? 0 : -2 - position));
  return sub(add(mul(highest, evenOnly), oddInOrder), mul(flags, 3 * tokens));
}
