/**
 * Merging with sizes as weights (ToMe's `merge_wavg`): a token becomes `Σ size·x / Σ size` of itself and what is merged into it, and sizes
 * add up. Who is merged into whom is a one-hot matrix, so that no scatter is needed.
 */
import {
  add,
  argMax,
  cast,
  div,
  equal,
  gatherND,
  matMul,
  mul,
  reciprocal,
  reduceL2,
  reduceMean,
  reduceSum,
  reshape,
  topK,
} from '../graph/operators/index.ts';
import { dimensionAt, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { flagsAt, positionsOf } from './positions.ts';
import { gatherTokens } from './token-state.ts';
import type { TokenState } from './token-state.ts';
import type { AttentionView } from './token-reducer.ts';

/** Below any cosine, also in half precision: keeps a token from being chosen. */
export const excluded = -3e4;

/** Which tokens are merged into which; positions are those of the tokens before. */
export interface Merging {
  /** int64 `[B, r, 1]`: the tokens that go. */
  readonly sources: Tensor;
  /** float `[B, r, 1]`: position of the token that each of them joins. */
  readonly destinations: Tensor;
}

/** ToMe's metric for similarity: keys as a mean over heads, of length 1, `[B, N, D]`. */
export function keySimilarityMetric(view: AttentionView): Tensor {
  const mean = reduceMean(view.keys, [1]);
  return div(mean, reduceL2(mean, [-1], true));
}

/**
 * Keeps the `count` tokens that `rank [B, N, 1]` puts first, in its descending order, and merges the sources into them.
 * @param rank must put every destination among the first `count`, and no source.
 * @param weight `[B, 1, 1]`, 0 or 1 per image: 0 drops the sources of that image instead of merging them.
 */
export function mergeByRank(
  state: TokenState,
  rank: Tensor,
  count: number,
  merging: Merging,
  weight?: Tensor,
): TokenState {
  const order = topK(rank, count, true, 1).indices;
  const [batch, merged] = [dimensionAt(rank, 0), sizeAt(merging.sources, 1)];
  const destinations = reshape(merging.destinations, [batch, 1, merged]);
  const oneHot = cast(equal(positionsOf(order, sizeAt(rank, 1)), destinations), 'float32');
  const assignment = weight === undefined ? oneHot : mul(oneHot, weight);
  return mergeAssigned(gatherTokens(state, order), gatherTokens(state, merging.sources), assignment);
}

/** Merges `r` sources into `K` tokens by a one-hot `assignment [B, K, r]`. */
function mergeAssigned(kept: TokenState, sources: TokenState, assignment: Tensor): TokenState {
  const [batch, merged] = [dimensionAt(assignment, 0), sizeAt(assignment, 2)];
  const weights = sources.size === undefined ? assignment : mul(assignment, reshape(sources.size, [batch, 1, merged]));
  const size = add(reduceSum(weights, [2], true), kept.size ?? 1);
  // The weights, not the wide features, are divided: one pass over the tokens less.
  const own = kept.size === undefined ? reciprocal(size) : div(kept.size, size);
  const features = add(mul(kept.features, own), matMul(div(weights, size), sources.features));
  const source =
    kept.source === undefined || sources.source === undefined
      ? undefined
      : add(kept.source, matMul(assignment, sources.source));
  return { ...kept, features, size, source };
}

/** The most similar partner of each source: `similarity [B, N, M]` rows at `sources [B, r, 1]`, int64 `[B, r, 1]` among the M. */
export function mostSimilar(similarity: Tensor, sources: Tensor): Tensor {
  return argMax(gatherND(similarity, sources), 2, true);
}

/** `[B, N, 1]`: 1 where a token goes. */
export function sourceFlags(sources: Tensor, tokens: number): Tensor {
  return flagsAt(positionsOf(sources, tokens), tokens);
}
