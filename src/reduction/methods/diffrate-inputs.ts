/**
 * DiffRate (arXiv 2305.17997) whose kept numbers are inputs of the graph: one graph of a block
 * serves every schedule. It prunes and merges as `diffrate.ts` does with constants. Nothing of size
 * zero reaches ONNX Runtime: what a block does to its tokens is fixed, only the numbers are free.
 */
import { dynamicSlice, topK } from '../../graph/operators/index.ts';
import { inScope, input, int64Vector } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { importance, metricFor, needsOnlyClassAttention } from '../importance.ts';
import type { MergeRule } from '../merge-rule.ts';
import { mergeTokens } from '../merge.ts';
import type { EffectiveBlock } from '../schedule.ts';

import { concatStates, firstTokens, gatherTokens, mapState } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import type { BlockView, TokenReducer } from '../token-reducer.ts';
import type { RankedTokens } from './diffrate.ts';

/**
 * What a block does to its tokens: nothing, keep the most important ones, or merge some of these
 * into the others.
 */
export type Removal = 'none' | 'prune' | 'merge';

/** What a block does under these numbers. */
export function removalOf({ tokensIn, pruneKept, mergeKept }: EffectiveBlock): Removal {
  if (mergeKept < pruneKept) return 'merge';
  return pruneKept < tokensIn ? 'prune' : 'none';
}

/** The reducer of a block and its inputs. */
export interface FreeDiffRate {
  readonly reducer: TokenReducer;
  /** int64 `[1]` each: `pruneKept` and `mergeKept`, as far as the removal needs them. */
  readonly counts: readonly Tensor[];
}

/** DiffRate with free kept numbers. */
export function freeDiffRate(
  removal: Removal,
  { layout, importanceFrom }: RankedTokens,
  merging: MergeRule,
): FreeDiffRate {
  const pruneKept = input('pruneKept', 'int64', [1]);
  const mergeKept = input('mergeKept', 'int64', [1]);
  const metric = metricFor(importanceFrom);
  const ranksEarly = needsOnlyClassAttention(metric);
  const { prefix } = layout;
  /** The most important tokens, `[B, P, 1]` int64 in descending order. */
  const chosen = (view: BlockView): Tensor =>
    inScope(
      'sort',
      () => topK(importance(metric, view, layout, 0), { count: pruneKept, name: 'kept' }, true, 1).indices,
    );
  const reducer: TokenReducer = {
    name: 'diffrate',
    keySizes: (_, state) => state.size,
    selectQueries: (_block, _state, view) =>
      removal === 'none' || !ranksEarly ? undefined : { indices: chosen(view) },
    afterAttention(_block, state, view) {
      if (removal === 'none') return state;
      const sorted = ranksEarly ? state : inScope('sort', () => gatherTokens(state, chosen(view)));
      return removal === 'merge' ? inScope('merge', () => mergeLast(sorted)) : sorted;
    },
  };
  return { reducer, counts: removal === 'none' ? [] : removal === 'prune' ? [pruneKept] : [pruneKept, mergeKept] };

  /**
   * The first K of the sorted tokens stay. Prefix tokens come first, and nothing is merged into
   * them.
   */
  function mergeLast(state: TokenState): TokenState {
    const part = (start: Tensor, end: Tensor, name: string): TokenState =>
      mapState(state, (tensor) => dynamicSlice(tensor, 1, start, end, name));
    const destinations = part(int64Vector([prefix]), mergeKept, 'destinations');
    const merged = mergeTokens(destinations, part(mergeKept, pruneKept, 'sources'), { prefix: 0 }, merging);
    return prefix === 0 ? merged : concatStates(firstTokens(state, prefix), merged);
  }
}
