/**
 * DiffRate (arXiv 2305.17997) whose kept numbers are inputs of the graph: one graph of a block
 * serves every schedule. It prunes and merges as `diffrate.ts` does with constants. Nothing of size
 * zero reaches ONNX Runtime: what a block does to its tokens is fixed, only the numbers are free.
 */
import { dynamicSlice, transpose } from '../../graph/operators/index.ts';
import type { TopKOutputs } from '../../graph/operators/selection.ts';
import { inScope, input, int64Vector, stopGradient } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { importance, metricFor, needsOnlyClassAttention } from '../importance.ts';
import { largest } from '../count.ts';
import { attentionPerSize, orderOfStaying, selectionCounts } from '../dissimilarity.ts';
import { directionsOf, mergeChosen } from '../merge-chosen.ts';
import { excluded, mergeTokens } from '../merge.ts';
import type { EffectiveBlock, ReductionRules } from '../schedule.ts';
import type { Selection } from '../selection.ts';
import { perToken, prefixMark, tokenCount } from '../token-layout.ts';
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
  /** int64 `[1]` each, with the names that `freeBlock` gives. */
  readonly counts: readonly Tensor[];
}

/** What a block is built for. */
export interface FreeBlock {
  readonly removal: Removal;
  /** Some candidates stay, so that the selection rule has a choice. */
  readonly chooses: boolean;
}

/** What a block of these numbers is built for, and its inputs by name. */
export function freeBlock(
  { layout: { prefix } }: Pick<RankedTokens, 'layout'>,
  kept: EffectiveBlock,
  { selection }: ReductionRules,
): { readonly block: FreeBlock; readonly counts: Readonly<Record<string, number>> } {
  const removal = removalOf(kept);
  const { pruneKept, mergeKept } = kept;
  if (removal === 'none') return { block: { removal, chooses: false }, counts: {} };
  if (removal === 'prune' || selection === undefined) {
    return { block: { removal, chooses: false }, counts: { pruneKept, ...(removal === 'merge' ? { mergeKept } : {}) } };
  }
  const { candidates, removed } = selectionCounts(selection, prefix, pruneKept, mergeKept);
  const chooses = candidates > 0;
  const counts = { pruneKept, mergeKept, removed, ...(chooses ? { candidates } : {}) };
  return { block: { removal, chooses }, counts };
}

/** DiffRate with free kept numbers. */
export function freeDiffRate(
  { removal, chooses }: FreeBlock,
  { layout, importanceFrom }: RankedTokens,
  { merging = 'similarity', selection }: ReductionRules,
): FreeDiffRate {
  const inputs = new Map<string, Tensor>();
  const count = (name: string): Tensor => {
    const known = inputs.get(name) ?? input(name, 'int64', [1]);
    inputs.set(name, known);
    return known;
  };
  const counted = (name: string) => ({ value: count(name), name });
  const metric = metricFor(importanceFrom);
  const ranksEarly = needsOnlyClassAttention(metric);
  const { prefix } = layout;
  /** The most important tokens, `[B, P, 1]` in descending order, and where they are. */
  const ranked = (view: BlockView): TopKOutputs =>
    inScope('sort', () => largest(importance(metric, view, layout, 0), { value: count('pruneKept'), name: 'kept' }));
  let early: TopKOutputs | undefined;
  const reducer: TokenReducer = {
    name: 'diffrate',
    keySizes: (_, state) => state.size,
    selectQueries(_block, _state, view) {
      if (removal === 'none' || !ranksEarly) return undefined;
      early = ranked(view);
      return { indices: early.indices };
    },
    afterAttention(_block, state, view) {
      if (removal === 'none') return state;
      const { values, indices } = early ?? ranked(view);
      const sorted = ranksEarly ? state : inScope('sort', () => gatherTokens(state, indices));
      if (removal === 'prune') return sorted;
      return selection === undefined ? inScope('merge', () => mergeLast(sorted)) : chosen(sorted, values, selection);
    },
  };
  if (removal !== 'none') count('pruneKept');
  if (removal === 'merge') count('mergeKept');
  if (removal === 'merge' && selection !== undefined) {
    for (const name of ['removed', ...(chooses ? ['candidates'] : [])]) count(name);
  }
  return { reducer, counts: [...inputs.values()] };

  /**
   * The first K of the sorted tokens stay. Prefix tokens come first, and nothing is merged into
   * them.
   */
  function mergeLast(state: TokenState): TokenState {
    const mergeKept = count('mergeKept');
    const part = (start: Tensor, end: Tensor, name: string): TokenState =>
      mapState(state, (tensor) => dynamicSlice(tensor, 1, start, end, name));
    const destinations = part(int64Vector([prefix]), mergeKept, 'destinations');
    const merged = mergeTokens(destinations, part(mergeKept, count('pruneKept'), 'sources'), { prefix: 0 }, merging);
    return prefix === 0 ? merged : concatStates(firstTokens(state, prefix), merged);
  }

  /** Merges as the selection rule has it. */
  function chosen(state: TokenState, score: Tensor, rule: Selection): TokenState {
    const counts = {
      tokens: { value: count('pruneKept'), name: 'kept' },
      kept: counted('mergeKept'),
      removed: counted('removed'),
      candidates: chooses ? counted('candidates') : 0,
    };
    const most = tokenCount(layout);
    const marked = (mark: number, { value, name }: { readonly value: Tensor; readonly name: string }) =>
      dynamicSlice(perToken({ prefix }, most, { prefix: () => mark, grid: () => 0 }), 1, int64Vector([0]), value, name);
    const marks = prefix === 0 ? undefined : marked(prefixMark, counts.tokens);
    const noDestinations = prefix === 0 ? undefined : transpose(marked(excluded, counts.kept), [0, 2, 1]);
    const attention = inScope('sort', () => stopGradient(attentionPerSize(score, state.size, rule)));
    const polar = inScope('select', () => directionsOf(state.features));
    const inputs = { directions: polar.directions, size: state.size, attention };
    const order = inScope('select', () => orderOfStaying(inputs, counts, rule, marks));
    return inScope('merge', () => mergeChosen(state, { ...polar, order, attention, noDestinations }, counts, rule));
  }
}
