/**
 * Merging with sizes as weights (ToMe's `merge_wavg`). A token becomes `Σ size·x / Σ size` of
 * itself and what is merged into it, and sizes add up. A one-hot matrix says who is merged into
 * whom, so no scatter is needed.
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
  reshape,
  topK,
  transpose,
} from '../graph/operators/index.ts';
import { constant, dimensionAt, sizeAt } from '../graph/tensor.ts';
import type { Dimension, Tensor } from '../graph/tensor.ts';
import { flagsAt, perPosition, positionsOf } from './positions.ts';
import { gatherTokens, mergeTravellers } from './token-state.ts';
import type { TokenState } from './token-state.ts';
import type { BlockView } from './token-reducer.ts';

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
export function keySimilarityMetric(view: BlockView): Tensor {
  const [batch, heads, tokens, width] = view.keys.shape as readonly [Dimension, number, number, number];
  // As a product, which reads the keys once: backends reduce an axis in the middle several times
  // slower. At length 1 the sum is the mean.
  const ones = constant(new Float32Array(heads).fill(1), [1, 1, heads], 'float32');
  const sum = reshape(matMul(ones, reshape(view.keys, [batch, heads, tokens * width])), [batch, tokens, width]);
  return div(sum, reduceL2(sum, [-1], true));
}

/**
 * Keeps the `count` tokens that `rank [B, N, 1]` puts first, in its descending order, and merges
 * the sources into them.
 * @param rank must put every destination among the first `count`, and no source.
 * @param weight `[B, 1, 1]`, 0 or 1 per image: 0 drops the sources of that image instead of merging
 *   them.
 */
export function mergeByRank(
  state: TokenState,
  rank: Tensor,
  count: number,
  merging: Merging,
  weight?: Tensor,
): TokenState {
  const order = topK(rank, count, true, 1).indices;
  const positions = reshape(positionsOf(order, sizeAt(rank, 1)), [dimensionAt(rank, 0), 1, count]);
  const choices = cast(equal(merging.destinations, positions), 'float32');
  const chosen = weight === undefined ? choices : mul(choices, weight);
  return mergeChosen(gatherTokens(state, order), gatherTokens(state, merging.sources), chosen);
}

/**
 * Merges `r` sources into `K` tokens.
 * @param places float `[B, r, 1]`: the place among the `K` of the token that each source joins.
 */
export function mergePlaced(kept: TokenState, sources: TokenState, places: Tensor): TokenState {
  const count = sizeAt(kept.features, 1);
  const own = reshape(
    perPosition(count, (place) => place),
    [1, 1, count],
  );
  return mergeChosen(kept, sources, cast(equal(places, own), 'float32'));
}

/**
 * Merges `r` sources into `K` tokens.
 * @param choices `[B, r, K]`, at most one 1 per source: backends compare and scale fastest along
 *   the many tokens.
 */
function mergeChosen(kept: TokenState, sources: TokenState, choices: Tensor): TokenState {
  const [batch, count] = [dimensionAt(choices, 0), sizeAt(choices, 2)];
  const toKept = (weights: Tensor): Tensor => transpose(weights, [0, 2, 1]);
  const weights = sources.size === undefined ? choices : mul(choices, sources.size);
  const ones = (length: number): Tensor => perPosition(length, () => 1);
  const size = add(matMul(toKept(weights), ones(sizeAt(choices, 1))), kept.size ?? ones(count));
  // The weights are divided, not the wide features, which saves one pass over the tokens.
  const own = kept.size === undefined ? reciprocal(size) : div(kept.size, size);
  const shares = div(weights, reshape(size, [batch, 1, count]));
  const features = add(mul(kept.features, own), matMul(toKept(shares), sources.features));
  const travellers = mergeTravellers(kept.travellers, sources.travellers, {
    assignment: toKept(choices),
    sourceSize: sources.size,
    ownSize: kept.size,
    total: size,
  });
  return { ...kept, features, size, travellers };
}

/**
 * The most similar partner of each source: `similarity [B, N, M]` rows at `sources [B, r, 1]`,
 * int64 `[B, r, 1]` among the M.
 */
export function mostSimilar(similarity: Tensor, sources: Tensor): Tensor {
  return argMax(gatherND(similarity, sources), 2, true);
}

/** `[B, N, 1]`: 1 where a token goes. */
export function sourceFlags(sources: Tensor, tokens: number): Tensor {
  return flagsAt(positionsOf(sources, tokens), tokens);
}
