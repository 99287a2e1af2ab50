/**
 * ToMe's bipartite soft matching (arXiv 2210.09461, `merge.py` of the authors' code): tokens at even positions each propose the most similar
 * token at an odd position, and the `r` most similar pairs merge. What is left are the even tokens in order, then all odd ones.
 */
import { add, matMul, mul, reduceMax, slice, sub, topK, transpose } from '../graph/operators/index.ts';
import { sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { lookUp, perPosition } from './positions.ts';
import { excluded, mostSimilar, sourceFlags } from './weighted-merge.ts';
import type { Merging } from './weighted-merge.ts';

/** A merging and the order of what is left. */
export interface BipartiteMatching {
  readonly merging: Merging;
  /** `[B, N, 1]`, larger comes first: unmerged even tokens, odd tokens, merged ones. */
  readonly rank: Tensor;
}

/** The most pairs that can merge among `tokens` tokens whose first is a class token. */
export function mostPairs(tokens: number): number {
  return Math.floor((tokens - 1) / 2);
}

/**
 * Matches tokens by `metric [B, N, D]`, rows of length 1. The class token at position 0 neither goes nor takes any.
 * @param pairs from 1 to `mostPairs`.
 */
export function matchEvenToOdd(metric: Tensor, pairs: number): BipartiteMatching {
  const tokens = sizeAt(metric, 1);
  const odd = Math.floor(tokens / 2);
  const similarity = matMul(metric, transpose(slice(metric, 1, 1, tokens, 2), [0, 2, 1]));
  const isSource = perPosition(tokens, (position) => (position === 0 || position % 2 === 1 ? excluded : 0));
  const best = add(reduceMax(similarity, [2], true), isSource);
  const sources = topK(best, pairs, true, 1).indices;
  const destinations = lookUp(mostSimilar(similarity, sources), odd, (index) => 2 * index + 1);
  const inOrder = perPosition(tokens, (position) => (position % 2 === 0 ? 2 * tokens : tokens) - position);
  return { merging: { sources, destinations }, rank: sub(inOrder, mul(sourceFlags(sources, tokens), 3 * tokens)) };
}
