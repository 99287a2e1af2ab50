/**
 * DiffRate (arXiv 2305.17997) with fixed kept numbers: in every block tokens are sorted by importance, the least
 * important are pruned, and of the rest the least important are merged into their most similar destinations.
 * Kept numbers are constants, so every shape of the graph is static. A block that removes nothing emits no node.
 *
 * Better than the published code, with the same result: importance needs only the class token's attention row, so
 * pruned tokens are chosen before attention and never become queries.
 */
import { slice } from '../../graph/operators/index.ts';
import { topK } from '../../graph/operators/index.ts';
import { inScope, sizeAt } from '../../graph/tensor.ts';
import { importance, needsOnlyClassAttention } from '../importance.ts';
import type { ImportanceMetric } from '../importance.ts';
import { mergeTokens } from '../merge.ts';
import { effectiveTokens } from '../schedule.ts';
import type { KeptNumbers } from '../schedule.ts';
import { asRows, gatherTokens } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import type { AttentionView, TokenReducer } from '../token-reducer.ts';

/** Orders of Table 4b. */
export const reductionOrders = ['prune-merge', 'merge-prune', 'prune-only', 'merge-only'] as const;

/** In which order a block prunes and merges. With only one of them, it alone brings the tokens to the block's number. */
export type ReductionOrder = (typeof reductionOrders)[number];

/** Choices of the paper's ablations; the defaults are DiffRate. */
export interface DiffRateOptions {
  readonly metric?: ImportanceMetric;
  readonly order?: ReductionOrder;
  /** Token 0 is a class token: always first, never pruned, never a destination. */
  readonly classToken?: boolean;
  /** Sizes grow by `size × similarity` (ViTs) rather than by `size` (CAFormer). */
  readonly scaleSizes?: boolean;
  /** Seed of the `random` metric. */
  readonly seed?: number;
}

/** Steps of one block: how many tokens stay after each, in order. */
interface BlockPlan {
  readonly prune: number;
  readonly merge: number;
  /** Merge before pruning. */
  readonly mergeFirst: boolean;
}

/**
 * DiffRate at the kept numbers of a schedule.
 * @param tokens number of tokens at the first block.
 */
export function diffRate(kept: KeptNumbers, tokens: number, options: DiffRateOptions = {}): TokenReducer {
  const { metric = 'class-attention', order = 'prune-merge', classToken = true, scaleSizes = true, seed = 0 } = options;
  const plans = effectiveTokens(kept, tokens).map((block, index) => planOf(block, kept, index, order));
  const sort = (block: number, state: TokenState, view: AttentionView, count: number): TokenState =>
    inScope('sort', () => gatherTokens(state, asRows(topK(importance(metric, view, classToken, seed + block), count).indices)));
  const merge = (state: TokenState, count: number): TokenState => inScope('merge', () => mergeTokens(state, count, classToken, scaleSizes));
  const early = needsOnlyClassAttention(metric);

  return {
    name: `diffrate${metric === 'class-attention' ? '' : `:metric=${metric}`}${order === 'prune-merge' ? '' : `:order=${order}`}`,
    keySizes: (_, state) => state.size,
    selectQueries(block, state, view) {
      const plan = plans[block];
      if (!early || plan === undefined || plan.mergeFirst || !reduces(plan, sizeAt(state.features, 1))) return undefined;
      return inScope('sort', () => ({ indices: asRows(topK(importance(metric, view, classToken, seed + block), plan.prune).indices) }));
    },
    afterAttention(block, state, view) {
      const plan = plans[block];
      if (plan === undefined) return state;
      const entered = sizeAt(view.keys, 2);
      if (!reduces(plan, entered)) return state;
      if (plan.mergeFirst) {
        const sorted = sort(block, state, view, entered);
        const merged = plan.merge < entered ? merge(sorted, plan.merge) : sorted;
        return plan.prune < plan.merge ? inScope('prune', () => firstTokens(merged, plan.prune)) : merged;
      }
      const pruned = early ? state : sort(block, state, view, plan.prune);
      return plan.merge < plan.prune ? merge(pruned, plan.merge) : pruned;
    },
  };
}

const reduces = (plan: BlockPlan, entered: number): boolean => Math.min(plan.prune, plan.merge) < entered;

function planOf(block: { tokensIn: number; pruneKept: number; tokensOut: number }, kept: KeptNumbers, index: number, order: ReductionOrder): BlockPlan {
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

/** The first `count` tokens of a state. */
function firstTokens(state: TokenState, count: number): TokenState {
  const cut = <T extends TokenState['size']>(tensor: T): T => (tensor === undefined ? tensor : (slice(tensor, 1, 0, count) as T));
  return { features: slice(state.features, 1, 0, count), size: cut(state.size), source: cut(state.source), mask: cut(state.mask) };
}
