/**
 * DiffRate (arXiv 2305.17997) with fixed kept numbers: in every block tokens are sorted by
 * importance, the least important are pruned, and of the rest the least important are merged into
 * their most similar destinations. Kept numbers are constants, so every shape of the graph is
 * static. A block that removes nothing emits no node.
 *
 * Better than the published code, with the same result: importance needs only the class token's
 * attention row, so pruned tokens are chosen before attention and never become queries.
 */
import { topK } from '../../graph/operators/index.ts';
import { inScope, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { importance, metricFor, needsOnlyClassAttention } from '../importance.ts';
import type { ImportanceMetric } from '../importance.ts';
import type { MergeRule } from '../merge-rule.ts';
import { mergeTokens } from '../merge.ts';
import type { NetworkShape } from '../network-shape.ts';
import { effectiveTokens } from '../schedule.ts';
import type { KeptNumbers } from '../schedule.ts';
import { sortTokens } from '../sort.ts';
import { tokenCount } from '../token-layout.ts';
import { firstTokens, splitTokens } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import type { AttendedView, BlockView, TokenReducer } from '../token-reducer.ts';

/** Orders of Table 4b. */
export const reductionOrders = ['prune-merge', 'merge-prune', 'prune-only', 'merge-only'] as const;

/**
 * In which order a block prunes and merges. With only one of them, it alone brings the tokens to
 * the block's number.
 */
export type ReductionOrder = (typeof reductionOrders)[number];

/** Choices of the paper's ablations; the defaults are DiffRate. */
export interface DiffRateOptions {
  /** By default what the network's tokens are ranked by (`metricFor`). */
  readonly metric?: ImportanceMetric | undefined;
  readonly order?: ReductionOrder | undefined;
  /**
   * How tokens merge; by default as the schedule says, and where it says nothing as published for
   * ViTs.
   */
  readonly merging?: MergeRule | undefined;
  /** Seed of the `random` metric. */
  readonly seed?: number | undefined;
}

/** Steps of one block: how many tokens stay after each, in order. */
interface BlockPlan {
  readonly prune: number;
  readonly merge: number;
  /** Merge before pruning. */
  readonly mergeFirst: boolean;
}

/** What DiffRate needs to know of a network. */
export type RankedTokens = Pick<NetworkShape, 'layout' | 'importanceFrom'>;

/**
 * DiffRate at the kept numbers of a schedule.
 * @param network whose tokens are reduced: prefix tokens are always first, never pruned, never a
 *   destination.
 * @throws {DiffrateError} where the lists of kept numbers differ in length.
 */
export function diffRate(kept: KeptNumbers, network: RankedTokens, options: DiffRateOptions = {}): TokenReducer {
  const { layout, importanceFrom } = network;
  const own = metricFor(importanceFrom);
  const { metric = own, order: orderName = 'prune-merge', merging = kept.merging ?? 'similarity', seed = 0 } = options;
  const { prefix } = layout;
  const plans = effectiveTokens(kept, tokenCount(layout))
    .map((block, index) => planOf(block, kept, index, orderName))
    // Prefix tokens alone are no destinations: what would be merged into them is pruned.
    .map((plan) => (plan.merge <= prefix ? { prune: prefix, merge: prefix, mergeFirst: false } : plan));
  const scoreOf = (block: number, view: BlockView): Tensor => importance(metric, view, layout, seed + block);
  const mergeRest = ({ first, rest }: { first: TokenState; rest: TokenState }): TokenState =>
    inScope('merge', () => mergeTokens(first, rest, layout, merging));
  /** Sorts `count` tokens and merges all but the first `kept` of them. */
  const sortAndMerge = (
    block: number,
    state: TokenState,
    view: AttendedView,
    count: number,
    kept: number,
  ): TokenState => {
    const sorted = inScope('sort', () => sortTokens(state, scoreOf(block, view), count));
    return kept === count ? sorted : mergeRest(inScope('merge', () => splitTokens(sorted, kept)));
  };

  return {
    name: `diffrate${metric === own ? '' : `:metric=${metric}`}${orderName === 'prune-merge' ? '' : `:order=${orderName}`}`,
    keySizes: (_, state) => state.size,
    selectQueries(block, state, view) {
      const plan = plans[block];
      if (plan === undefined || plan.mergeFirst || !needsOnlyClassAttention(metric)) return undefined;
      if (!prunesBeforeAttention(sizeAt(state.features, 1), plan.prune, sizeAt(state.features, 2))) return undefined;
      return inScope('sort', () => ({ indices: topK(scoreOf(block, view), plan.prune, true, 1).indices }));
    },
    afterAttention(block, state, view) {
      const plan = plans[block];
      const entered = sizeAt(view.keys, 2);
      if (plan === undefined || Math.min(plan.prune, plan.merge) >= entered) return state;
      if (plan.mergeFirst) {
        const merged = sortAndMerge(block, state, view, entered, plan.merge);
        return plan.prune < plan.merge ? inScope('prune', () => firstTokens(merged, plan.prune)) : merged;
      }
      // Tokens that were chosen before attention are in order already.
      if (sizeAt(state.features, 1) === entered) return sortAndMerge(block, state, view, plan.prune, plan.merge);
      return plan.merge < plan.prune ? mergeRest(inScope('merge', () => splitTokens(state, plan.merge))) : state;
    },
  };
}

/**
 * Moving one number costs about as much as this many multiply-accumulates: choosing queries early
 * gathers the block's tokens twice instead of once, which a handful of pruned tokens does not pay
 * for.
 */
const multiplyAccumulatesPerMove = 64;

/**
 * Whether pruning before attention saves more (query and output projection, attention) than
 * gathering once more costs.
 * @param tokens N that enter a block of width C, of which `pruneKept` are left.
 */
export function prunesBeforeAttention(tokens: number, pruneKept: number, width: number): boolean {
  return (tokens - pruneKept) * (2 * width + 2 * tokens) > multiplyAccumulatesPerMove * tokens;
}

function planOf(
  block: { tokensIn: number; pruneKept: number; tokensOut: number },
  kept: KeptNumbers,
  index: number,
  order: ReductionOrder,
): BlockPlan {
  const { tokensIn, pruneKept, tokensOut } = block;
  switch (order) {
    case 'prune-only':
      return { prune: tokensOut, merge: tokensOut, mergeFirst: false };
    case 'merge-only':
      return { prune: tokensIn, merge: tokensOut, mergeFirst: false };
    case 'merge-prune':
      return { merge: Math.min(tokensIn, kept.mergeKept[index] ?? tokensIn), prune: tokensOut, mergeFirst: true };
    default:
      return { prune: pruneKept, merge: tokensOut, mergeFirst: false };
  }
}
