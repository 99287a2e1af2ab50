/** Tokens that become one per cluster: everything that is known of them, by a matrix of members. */
import { add, div, matMul, mul, reduceSum, sub } from '../graph/operators/index.ts';
import { sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { asRow, oneHotRows, positionsOf } from './positions.ts';
import { gatherTokens, mergeTravellers } from './token-state.ts';
import type { TokenState } from './token-state.ts';

/** Clusters of P tokens. */
export interface TokenClusters {
  /** `[B, K, P]`: 1 where a token belongs to a cluster. */
  readonly members: Tensor;
  /** int64 `[B, K, 1]`: a member of each, whose own travellers stay where they do not merge. */
  readonly centres: Tensor;
}

/**
 * One token per cluster: the mean by sizes, `Σ size·x / Σ size`; sizes add up.
 * @param tiny what is added to the sum of sizes that features are divided by.
 */
export function clusteredState(state: TokenState, { members, centres }: TokenClusters, tiny = 0): TokenState {
  const { size, features } = state;
  const weights = size === undefined ? members : mul(members, asRow(size));
  const total = reduceSum(weights, [2], true);
  const kept = gatherTokens(state, centres);
  const own = oneHotRows(positionsOf(centres, sizeAt(features, 1)), sizeAt(features, 1));
  const travellers = mergeTravellers(kept.travellers, state.travellers, {
    assignment: sub(members, own),
    sourceSize: size,
    ownSize: kept.size,
    total,
  });
  const divisor = tiny === 0 ? total : add(total, tiny);
  return { ...kept, features: div(matMul(weights, features), divisor), size: total, travellers };
}
