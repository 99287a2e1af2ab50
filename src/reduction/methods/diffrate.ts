/**
 * DiffRate (arXiv 2305.17997) with fixed kept numbers: in every block tokens are sorted by
 * importance, the least important are pruned, and of the rest the least important are merged into
 * their most similar destinations. Kept numbers are constants, so every shape of the graph is
 * static. A block that removes nothing emits no node.
 *
 * Better than the published code, with the same result: importance needs only the class token's
 * attention row, so pruned tokens are chosen before attention and never become queries.
 */
import { slice, topK } from '../../graph/operators/index.ts';
import { inScope, sizeAt, stopGradient } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { importance, metricFor, needsOnlyClassAttention } from '../importance.ts';
import type { ImportanceMetric } from '../importance.ts';
import type { MergeRule } from '../merge-rule.ts';
import { attentionPerSize, orderOfStaying, selectionCounts } from '../dissimilarity.ts';
import { directionsOf, mergeChosen } from '../merge-chosen.ts';
import { mergeTokens, prefixExcluded } from '../merge.ts';
import type { NetworkShape } from '../network-shape.ts';
import { effectiveTokens } from '../schedule.ts';
import type { KeptNumbers } from '../schedule.ts';
import { sortTokens } from '../sort.ts';
import type { Selection } from '../selection.ts';
import { perToken, prefixMark, tokenCount } from '../token-layout.ts';
import { firstTokens, sourceOf, splitTokens } from '../token-state.ts';
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
  const { selection } = kept;
  const plans = effectiveTokens(kept, tokenCount(layout))
    .map((block, index) => planOf(block, kept, index, orderName))
    // Prefix tokens alone are no destinations: what would be merged into them is pruned.
    .map((plan) => (plan.merge <= prefix ? { prune: prefix, merge: prefix, mergeFirst: false } : plan));
  const scoreOf = (block: number, view: BlockView): Tensor => importance(metric, view, layout, seed + block);
  const mergeRest = ({ first, rest }: { first: TokenState; rest: TokenState }): TokenState =>
    inScope('merge', () => mergeTokens(first, rest, layout, merging));
  /** Importance of the tokens that were chosen before attention, by block. */
  const chosenEarly = new Map<number, Tensor>();
  /** Merges all but `left` of the tokens, as the selection rule has it. */
  const selectAndMerge = (state: TokenState, score: Tensor, left: number, rule: Selection): TokenState => {
    const tokens = sizeAt(state.features, 1);
    const counts = selectionCounts(rule, prefix, tokens, left);
    const marks = prefix === 0 ? undefined : perToken({ prefix }, tokens, { prefix: () => prefixMark, grid: () => 0 });
    const attention = inScope('sort', () => stopGradient(attentionPerSize(score, state.size, rule)));
    const polar = inScope('select', () => directionsOf(state.features));
    const inputs = { directions: polar.directions, size: state.size, attention };
    const order = inScope('select', () => orderOfStaying(inputs, counts, rule, marks));
    const noDestinations = prefixExcluded(prefix, left);
    const merged = inScope('merge', () =>
      mergeChosen(state, { ...polar, order, attention, noDestinations }, counts, rule),
    );
    const source = sourceOf(state);
    if (source === undefined) return merged;
    return { ...merged, selected: { source, attention, gone: slice(order, 1, left, tokens) } };
  };
  /** Sorts `count` tokens and merges all but the first `kept` of them. */
  const sortAndMerge = (
    block: number,
    state: TokenState,
    view: AttendedView,
    count: number,
    kept: number,
  ): TokenState => {
    if (selection !== undefined && kept < count) {
      const score = scoreOf(block, view);
      const entered = sizeAt(state.features, 1);
      if (count === entered) return selectAndMerge(state, score, kept, selection);
      const sorted = inScope('sort', () => sortTokens(state, score, count));
      return selectAndMerge(sorted, topK(score, count, true, 1).values, kept, selection);
    }
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
      const { indices, values } = inScope('sort', () => topK(scoreOf(block, view), plan.prune, true, 1));
      chosenEarly.set(block, values);
      return { indices };
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
      if (plan.merge === plan.prune) return state;
      const early = chosenEarly.get(block);
      if (selection !== undefined && early !== undefined) return selectAndMerge(state, early, plan.merge, selection);
      return mergeRest(inScope('merge', () => splitTokens(state, plan.merge)));
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
