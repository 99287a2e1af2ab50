/**
 * Tokens in groups: those that stay, and those that join one of them. What becomes of a group's
 * features is the method's choice: a weighted mean, or the largest of each channel.
 */
import {
  add,
  concat,
  div,
  equal,
  gatherND,
  cast,
  matMul,
  max,
  mul,
  reduceMax,
  reshape,
  topK,
  where,
} from '../graph/operators/index.ts';
import { dimensionAt, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { asRow, perPosition, positionsOf } from './positions.ts';
import { gatherTokens, mergeTravellers } from './token-state.ts';
import type { TokenState } from './token-state.ts';
import { excluded } from './weighted-merge.ts';

/** Groups of the N tokens of a state. */
export interface TokenGroups {
  /** int64 `[B, K, 1]`: positions of the tokens that stay, in the order of what is left. */
  readonly kept: Tensor;
  /** int64 `[B, r, 1]`: positions of the tokens that join them. */
  readonly joining: Tensor;
  /**
   * 1 where a token joins another, `[B, r, K]` and `[B, K, r]`: two comparisons, as a transposition
   * would be moved before them, to a type that WebGPU does not transpose.
   */
  readonly choices: Tensor;
  readonly assignment: Tensor;
}

/**
 * Groups from positions.
 * @param destinations float `[B, r, 1]`: the position of the token that each of `joining` joins.
 * @param tokens N
 */
export function groupsOf(kept: Tensor, joining: Tensor, destinations: Tensor, tokens: number): TokenGroups {
  const places = positionsOf(kept, tokens);
  return {
    kept,
    joining,
    choices: cast(equal(destinations, asRow(places)), 'float32'),
    assignment: cast(equal(asRow(destinations), places), 'float32'),
  };
}

/** Sums over groups of `x [B, N, W]`: `[B, K, W]`. */
export function groupSums(x: Tensor, groups: TokenGroups): Tensor {
  return add(gatherND(x, groups.kept), matMul(groups.assignment, gatherND(x, groups.joining)));
}

/**
 * Means over groups of `x [B, N, W]`, `Σ weight·x / Σ weight`: `[B, K, W]`.
 * @param weight `[B, N, 1]`; absent where all weigh the same.
 */
export function groupMeans(x: Tensor, groups: TokenGroups, weight: Tensor | undefined): Tensor {
  const { kept, joining, assignment } = groups;
  const total = weight === undefined ? groupCounts(groups) : groupSums(weight, groups);
  const own = weight === undefined ? div(1, total) : div(gatherND(weight, kept), total);
  const arriving = weight === undefined ? assignment : mul(assignment, asRow(gatherND(weight, joining)));
  // The weights are divided, not the wide features, which saves one pass over the tokens.
  return add(mul(gatherND(x, kept), own), matMul(div(arriving, total), gatherND(x, joining)));
}

/** Tokens of each group, `[B, K, 1]`. */
function groupCounts(groups: TokenGroups): Tensor {
  return add(
    matMul(
      groups.assignment,
      perPosition(sizeAt(groups.joining, 1), () => 1),
    ),
    1,
  );
}

/** The largest of each group's `x [B, N, W]`, channel by channel: `[B, K, W]`. */
export function groupMaxima(x: Tensor, { kept, joining, choices }: TokenGroups): Tensor {
  const [batch, sources, count] = [dimensionAt(choices, 0), sizeAt(choices, 1), sizeAt(choices, 2)];
  const chosen = cast(reshape(choices, [batch, sources, count, 1]), 'bool');
  const arriving = reshape(gatherND(x, joining), [batch, sources, 1, dimensionAt(x, 2)]);
  return max(gatherND(x, kept), reduceMax(where(chosen, arriving, excluded), [1]));
}

/** For each of the N tokens the row `[B, N, W]` of its group in `x [B, K, W]`. */
export function groupOfEach(x: Tensor, { kept, joining, choices }: TokenGroups): Tensor {
  const tokens = sizeAt(kept, 1) + sizeAt(joining, 1);
  const positions = concat([positionsOf(kept, tokens), positionsOf(joining, tokens)], 1);
  const inPlace = topK(positions, tokens, false, 1).indices;
  return gatherND(concat([x, matMul(choices, x)], 1), inPlace);
}

/** What is left, with features `[B, K, C]`: sizes add up, travellers change by their rules. */
export function groupedState(state: TokenState, groups: TokenGroups, features: Tensor): TokenState {
  const [kept, joining] = [gatherTokens(state, groups.kept), gatherTokens(state, groups.joining)];
  const size = state.size === undefined ? groupCounts(groups) : groupSums(state.size, groups);
  const travellers = mergeTravellers(kept.travellers, joining.travellers, {
    assignment: groups.assignment,
    sourceSize: joining.size,
    ownSize: kept.size,
    total: size,
  });
  return { ...kept, features, size, travellers };
}
