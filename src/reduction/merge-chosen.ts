/**
 * Merging by the selection rule `dissimilarity`: tokens that go join those that stay, as
 * `dissimilarity.ts` has chosen. A merged token is the mean of its tokens with the weights
 * `s·α^weight` and keeps a share of its own length, since means of unlike tokens are short and a
 * residual stream's length says how much later branches can change (MLERP of ToFu, WACV 2024).
 *
 * A token of size `s` counts `s` times in attention (ToMe, arXiv 2210.09461), as if it were `s`
 * equal ones. Unlike ones would partly have cancelled out, and a layer norm gives the mean the full
 * length again. So sizes may add up as lengths of vectors (`coherence`).
 *
 * Everything is computed from directions, features at length 1, which choosing needs as well. The
 * weights scale the assignment of tokens, `[R, K]`, and not their features, which are many more.
 */
import {
  add,
  cast,
  div,
  equal,
  gatherElements,
  gatherND,
  matMul,
  max,
  mul,
  reduceMax,
  transpose,
  where,
} from '../graph/operators/index.ts';
import { dimensionAt, stopGradient } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { partition } from './count.ts';
import { power } from './dissimilarity.ts';
import type { SelectionCounts } from './dissimilarity.ts';
import { column, lengths, rowSums } from './merge.ts';
import type { Selection } from './selection.ts';
import { mapState, mergeTravellers } from './token-state.ts';
import type { TokenState } from './token-state.ts';

/** Attention that is too small for a number still gives a token a weight. */
const smallestAttention = 1e-12;

/** Features in polar form. */
export interface Directions {
  /** `[B, N, C]`, each token at length 1. */
  readonly directions: Tensor;
  /** `[B, N, 1]` */
  readonly lengths: Tensor;
}

/** Directions and lengths of `x [B, N, C]`. */
export function directionsOf(x: Tensor): Directions {
  const all = lengths(x);
  return { directions: div(x, all), lengths: all };
}

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
 * Sizes of merged tokens, `[B, K, 1]`, each at least 1, however little of opposite tokens is left.
 * @param total sums of sizes.
 * @param coherence `[B, K, 1]`: length of the sum of what was merged over the sum of the lengths.
 */
export function coherentSize(total: Tensor, coherence: () => Tensor, { coherence: exponent }: Selection): Tensor {
  return exponent === 0 ? total : max(mul(total, power(coherence(), exponent)), 1);
}

/** What a merge reads besides the tokens. */
export interface ChosenTokens extends Directions {
  /** `[B, N, 1]` int64 of `orderOfStaying`. */
  readonly order: Tensor;
  /** `α [B, N, 1]` */
  readonly attention: Tensor;
  /**
   * `[1, 1, K]`: `excluded` for prefix tokens, 0 for others; absent where there is no prefix.
   */
  readonly noDestinations: Tensor | undefined;
}

/** Tokens `[B, K, …]` after the others have joined them. */
export function mergeChosen(
  state: TokenState,
  { order, attention, noDestinations, ...polar }: ChosenTokens,
  { kept, removed }: Pick<SelectionCounts, 'kept' | 'removed'>,
  selection: Selection,
): TokenState {
  // Positions are split after the gather, since WebGPU does not split int64.
  const split = (rows: Tensor): readonly [staying: Tensor, going: Tensor] => partition(rows, kept, removed);
  const partsOf = (x: Tensor): readonly [staying: Tensor, going: Tensor] => split(rowsAt(x, order));
  /** Of a column that gradients flow through, which taking elements has no rule for. */
  const partsOfLengths = (x: Tensor): readonly [staying: Tensor, going: Tensor] => split(gatherND(x, order));
  const [own, arriving] = partsOf(polar.directions);
  const toColumns = (x: Tensor): Tensor => transpose(x, [0, 2, 1]);
  const cosines = matMul(stopGradient(arriving), toColumns(stopGradient(own)));
  const allowed = noDestinations === undefined ? cosines : add(cosines, noDestinations);
  const chosen = equal(allowed, reduceMax(allowed, [2], true));
  const assignment = toColumns(cast(chosen, 'float32'));
  const [ownLengths] = partsOfLengths(polar.lengths);

  const { size: sizes } = state;
  const [knownSize, sourceSize] = sizes === undefined ? [] : partsOf(sizes);
  const ownSize = knownSize ?? column(1, dimensionAt(own, 1));
  const total = add(ownSize, sourceSize === undefined ? rowSums(assignment) : matMul(assignment, sourceSize));
  const { features, coherence } = mergedFeatures();
  const size = coherentSize(total, coherence, selection);
  if (state.travellers === undefined) return { features, size };
  const [ones, others] = [mapState(state, (x) => partsOf(x)[0]), mapState(state, (x) => partsOf(x)[1])];
  const arrivals = { assignment, sourceSize, ownSize: ones.size, total };
  return { ...ones, features, size, travellers: mergeTravellers(ones.travellers, others.travellers, arrivals) };

  /**
   * Σ w·x over Σ w: in the directions' terms `(direction + Σ (w·l / own w·l)·direction)` times
   * `own w·l / Σ w`, which does not matter where the length is kept whole.
   */
  function mergedFeatures(): { readonly features: Tensor; readonly coherence: () => Tensor } {
    const weights = meanWeights(sizes, attention, selection);
    const heft = weights === undefined ? polar.lengths : mul(weights, polar.lengths);
    const [ownHeft, goingHeft] = partsOfLengths(heft);
    const shares = toColumns(div(where(chosen, goingHeft, 0), toColumns(ownHeft)));
    const sum = add(own, matMul(shares, arriving));
    const length = lengths(sum);
    const coherence = (): Tensor => div(length, add(rowSums(shares), 1));
    if (selection.norm === 1) return { features: mul(sum, div(ownLengths, length)), coherence };
    const [ownWeight, goingWeight] = weights === undefined ? [] : partsOf(weights);
    const weight =
      ownWeight === undefined || goingWeight === undefined ? total : add(ownWeight, matMul(assignment, goingWeight));
    return { features: withLength(mul(sum, div(ownHeft, weight)), ownLengths, selection), coherence };
  }
}

/** The rows of `x [B, N, …]`; where a row is one number, taking elements is cheaper. */
function rowsAt(x: Tensor, positions: Tensor): Tensor {
  return x.shape.length === 3 && x.shape[2] === 1 ? gatherElements(x, positions, 1) : gatherND(x, positions);
}
