/**
 * Merging by the selection rule `dissimilarity`: tokens that go join those that stay, as
 * `dissimilarity.ts` has chosen. A merged token is the mean of its tokens with the weights
 * `s·α^weight` and keeps a share of its own length, since means of unlike tokens are short and a
 * residual stream's length says how much later branches can change (MLERP of ToFu, WACV 2024).
 * Sizes add up as in ToMe (arXiv 2210.09461).
 */
import { add, div, gatherElements, gatherND, matMul, mul, transpose } from '../graph/operators/index.ts';
import { dimensionAt, stopGradient } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { partition } from './count.ts';
import { power } from './dissimilarity.ts';
import type { SelectionCounts } from './dissimilarity.ts';
import { column, lengths, matchTokens, rowSums } from './merge.ts';
import type { Selection } from './selection.ts';
import { mapState, mergeTravellers } from './token-state.ts';
import type { TokenState } from './token-state.ts';

/** Attention that is too small for a number still gives a token a weight. */
const smallestAttention = 1e-12;

/**
 * What tokens weigh in a mean, `s·α^weight`, `[B, N, 1]`; `undefined` where all weigh the same.
 * @param attention `α [B, N, 1]`; no gradient flows through it.
 */
export function meanWeights(size: Tensor | undefined, attention: Tensor, { weight }: Selection): Tensor | undefined {
  if (weight === 0) return size;
  const byAttention = power(add(stopGradient(attention), smallestAttention), weight);
  return size === undefined ? byAttention : mul(size, byAttention);
}

/**
 * `merged [B, K, C]` at the length that it had before, as far as the rule keeps it.
 * @param before lengths `[B, K, 1]`
 */
export function withLength(merged: Tensor, before: Tensor, { norm }: Selection): Tensor {
  return norm === 0 ? merged : mul(merged, power(div(before, lengths(merged)), norm));
}

/**
 * Tokens `[B, K, …]` after the others have joined them.
 * @param order `[B, N, 1]` int64 of `orderOfStaying`.
 * @param attention `α [B, N, 1]`
 * @param noDestinations `[1, 1, K]`: `excluded` for prefix tokens, 0 for others; absent where there
 *   is no prefix.
 */
export function mergeChosen(
  state: TokenState,
  order: Tensor,
  { kept, removed }: Pick<SelectionCounts, 'kept' | 'removed'>,
  attention: Tensor,
  selection: Selection,
  noDestinations: Tensor | undefined,
): TokenState {
  const parts = new Map<Tensor, readonly [staying: Tensor, going: Tensor]>();
  const partsOf = (x: Tensor): readonly [staying: Tensor, going: Tensor] => {
    const known = parts.get(x) ?? partition(rowsAt(x, order), kept, removed);
    parts.set(x, known);
    return known;
  };
  const staying = mapState(state, (x) => partsOf(x)[0]);
  const going = mapState(state, (x) => partsOf(x)[1]);
  const destinations = stopGradient(staying.features);
  const own = lengths(staying.features);
  const { choices } = matchTokens(stopGradient(going.features), destinations, noDestinations, stopGradient(own));
  const assignment = transpose(choices, [0, 2, 1]);
  const joined = (one: Tensor, arriving: Tensor): Tensor => add(one, matMul(assignment, arriving));
  const ownSize = staying.size ?? column(1, dimensionAt(staying.features, 1));
  const size = add(ownSize, going.size === undefined ? rowSums(assignment) : matMul(assignment, going.size));
  const weights = meanWeights(state.size, attention, selection);
  const mean =
    weights === undefined ? div(joined(staying.features, going.features), size) : weightedMean(...partsOf(weights));
  const features = withLength(mean, own, selection);
  if (state.travellers === undefined) return { ...staying, features, size };
  const arrivals = { assignment, sourceSize: going.size, ownSize: staying.size, total: size };
  return { ...staying, features, size, travellers: mergeTravellers(staying.travellers, going.travellers, arrivals) };

  function weightedMean(one: Tensor, arriving: Tensor): Tensor {
    return div(joined(mul(staying.features, one), mul(going.features, arriving)), joined(one, arriving));
  }
}

/** The rows of `x [B, N, …]`; where a row is one number, taking elements is cheaper. */
function rowsAt(x: Tensor, positions: Tensor): Tensor {
  return x.shape.length === 3 && x.shape[2] === 1 ? gatherElements(x, positions, 1) : gatherND(x, positions);
}
