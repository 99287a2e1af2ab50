/**
 * DiffRate while its kept numbers are learnt (arXiv 2305.17997, section 3.2). Tokens are sorted and
 * masked, but not removed. The mask of every block is an input by sorted position, so that its
 * gradient tells what each position is worth. The proxies of `src/search` feed the masks: they
 * decide the kept numbers, and turn the masks' gradients into gradients of their own.
 */
import {
  add,
  cast,
  div,
  dynamicSlice,
  less,
  matMul,
  max,
  mul,
  reduceMax,
  reduceSum,
  reshape,
  sub,
  transpose,
  where,
} from '../../graph/operators/index.ts';
import { dimensionAt, inScope, input, sizeAt, stopGradient } from '../../graph/tensor.ts';
import type { ReductionRules } from '../schedule.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { maskedAttention } from '../../nn/masked-attention.ts';
import { importance, metricFor } from '../importance.ts';
import { aboveWorth, attentionPerSize, nearestOf, scoreOf } from '../dissimilarity.ts';
import { coherentSize, meanWeights, withLength } from '../merge-chosen.ts';
import type { MergeRule } from '../merge-rule.ts';
import { cosinesOf, lengths, matchTokens } from '../merge.ts';
import type { Selection } from '../selection.ts';
import { sortTokens } from '../sort.ts';
import { perToken, prefixMark, tokenCount } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import { mapTravellers, mergeTravellers, withTraveller } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import type { TokenReducer } from '../token-reducer.ts';
import type { RankedTokens } from './diffrate.ts';

/** Inputs of one searched block; positions are those after sorting by importance. */
export interface SearchedBlock {
  readonly block: number;
  /**
   * `[N]`: 1 where a token is kept by this block's pruning and merging (or was gone before), 0
   * where it goes.
   */
  readonly mask: Tensor;
  /** `[N]`: 0 for a destination of merging, `excluded` of `merge.ts` for every other position. */
  readonly destinations: Tensor;
  /** int64 `[1]` each: first source and the position after the last; at least one position. */
  readonly sourceStart: Tensor;
  readonly sourceEnd: Tensor;
  /**
   * `[S]`: 1 for a source that is merged, 0 for one that is pruned (or that stands in where nothing
   * is removed). Its gradient says what merging a token into its destination is worth; the
   * published method has none, since its proxies act on the mask alone.
   */
  readonly sourceWeight: Tensor;
  /**
   * `[1]` each, where a selection rule chooses: P, how many tokens pruning keeps, and how many of
   * them stay whatever they resemble.
   */
  readonly pruneKept?: Tensor;
  readonly sure?: Tensor;
}

/** The reducer and its inputs. */
export interface SearchReducer {
  readonly reducer: TokenReducer;
  readonly blocks: readonly SearchedBlock[];
}

/** Choices of a search step. */
export interface SearchReducerOptions {
  /** Blocks that have proxies. */
  readonly searched: readonly number[];
  /** Removed tokens attend to themselves (the paper's eq. 11), or only to kept ones. */
  readonly toThemselves?: boolean;
  /** How tokens merge and which of them go; by default as published. */
  readonly rules?: ReductionRules;
}

/** DiffRate's masked, differentiable form for a network with these tokens. */
export function diffRateSearch(
  { layout, importanceFrom }: RankedTokens,
  { searched, toThemselves = true, rules: { merging = 'similarity', selection } = {} }: SearchReducerOptions,
): SearchReducer {
  const metric = metricFor(importanceFrom);
  const blocks = searched.map((block) => inputsOf(block, tokenCount(layout), selection !== undefined));
  const reducer: TokenReducer = {
    name: 'diffrate-search',
    attend(_, state, queries, keys, values) {
      if (state.mask === undefined) return undefined;
      const { mask, size } = state;
      // Prefix tokens that attend alone (last block) are never removed, so there is nothing to add
      // for themselves.
      const square = dimensionAt(queries, 2) === dimensionAt(keys, 2);
      return inScope('masked', () =>
        maskedAttention({ queries, keys, values, mask, size, toThemselves: toThemselves && square }),
      );
    },
    afterAttention(block, state, view) {
      const inputs = blocks.find((candidate) => candidate.block === block);
      if (inputs === undefined) return state;
      const score = stopGradient(inScope('importance', () => importance(metric, view, layout, 0)));
      if (selection === undefined) {
        const sorted = inScope('sort', () => sortTokens(state, score));
        return inScope('merge', () => mergeInPlace(masked(sorted, inputs), inputs, merging));
      }
      const { order, attention } = inScope('select', () => choiceOrder(state, score, inputs, layout, selection));
      const weights = meanWeights(state.size, attention, selection);
      const weighed = weights === undefined ? state : withTraveller(state, weightTraveller, weights, 'destination');
      const sorted = inScope('sort', () => sortTokens(weighed, order));
      return inScope('merge', () => mergeInPlace(masked(sorted, inputs), inputs, merging, selection));
    },
  };
  return { reducer, blocks };
}

function inputsOf(block: number, tokens: number, selects: boolean): SearchedBlock {
  const named = (name: string): string => `blocks.${block}.${name}`;
  return {
    block,
    mask: input(named('mask'), 'float32', [tokens]),
    destinations: input(named('destinations'), 'float32', [tokens]),
    sourceStart: input(named('source_start'), 'int64', [1]),
    sourceEnd: input(named('source_end'), 'int64', [1]),
    sourceWeight: input(named('source_weight'), 'float32', [`sources.${block}`]),
    ...(selects
      ? { pruneKept: input(named('prune_kept'), 'float32', [1]), sure: input(named('sure'), 'float32', [1]) }
      : {}),
  };
}

/** Mask of the tokens before this block, times this block's. */
function masked(state: TokenState, inputs: SearchedBlock): TokenState {
  const tokens = sizeAt(inputs.mask, 0);
  const own = reshape(inputs.mask, [1, tokens, 1]);
  if (state.mask !== undefined) return { ...state, mask: mul(state.mask, own) };
  // Nothing was removed before: every image has the same mask, which takes its batch size from the
  // features.
  const ones = add(mul(stopGradient(firstColumn(state.features)), 0), 1);
  return { ...state, mask: mul(ones, own) };
}

const firstColumn = (features: Tensor): Tensor => reduceMax(features, [-1], true);

/** Weights of a mean, while tokens are being sorted. */
const weightTraveller = 'weight';

/**
 * In which order the rule `dissimilarity` puts tokens, `[B, N, 1]`: those that are sure to stay,
 * candidates by what they are worth, pruned tokens, those that were gone before. It is what
 * `orderOfStaying` does, on all pairs of tokens.
 */
function choiceOrder(
  state: TokenState,
  score: Tensor,
  { pruneKept, sure }: SearchedBlock,
  { prefix, ...grid }: TokenLayout,
  selection: Selection,
): { readonly order: Tensor; readonly attention: Tensor } {
  const tokens = tokenCount({ prefix, ...grid });
  const toRow = (x: Tensor): Tensor => transpose(x, [0, 2, 1]);
  /** How many tokens have more, `[B, N, 1]`. */
  const ranks = (x: Tensor): Tensor => reduceSum(cast(less(x, toRow(x)), 'float32'), [2], true);
  const size = state.size === undefined ? undefined : stopGradient(state.size);
  const attention = stopGradient(attentionPerSize(score, size, selection));
  // What was gone before comes after a token whose attention is too small for a number, too.
  const byImportance = ranks(state.mask === undefined ? score : add(score, sub(stopGradient(state.mask), 1)));
  const isThere = less(byImportance, pruneKept as Tensor);
  const living = where(isThere, attention, sub(-1, byImportance));
  const marks = perToken({ prefix }, tokens, { prefix: () => prefixMark, grid: () => 0 });
  const x = stopGradient(state.features);
  const length = lengths(x);
  const cosines = div(matMul(div(x, length), toRow(x)), toRow(length));
  const others = prefix === 0 ? living : sub(living, marks);
  const worth = scoreOf(living, size, nearestOf(cosines, living, others), selection);
  const byAttention = ranks(living);
  const order = where(less(byAttention, sure as Tensor), mul(living, aboveWorth), where(isThere, worth, living));
  return { order, attention };
}

/**
 * Sources stay where they are, masked; destinations become a mean of themselves and what was
 * matched to them.
 */
function mergeInPlace(state: TokenState, inputs: SearchedBlock, merging: MergeRule, selection?: Selection): TokenState {
  const [batch, tokens] = [dimensionAt(state.features, 0), sizeAt(inputs.mask, 0)];
  const name = `sources.${inputs.block}`;
  const sourcesOf = (x: Tensor): Tensor => dynamicSlice(x, 1, inputs.sourceStart, inputs.sourceEnd, name);
  const features = stopGradient(state.features);
  const candidates = sourcesOf(features);
  const matching = matchTokens(candidates, features, reshape(inputs.destinations, [1, 1, tokens]));
  // A pruned source joins its destination with weight 0, which carries the gradient of merging it.
  const joins = mul(stopGradient(matching.choices), reshape(inputs.sourceWeight, [1, name, 1]));
  const assignment = transpose(joins, [0, 2, 1]);
  const arrivals = reshape(add(reduceSum(joins, [1]), 1), [batch, tokens, 1]);
  const gathered = (x: Tensor): Tensor => add(x, matMul(assignment, sourcesOf(x)));
  const before = state.size;
  const { [weightTraveller]: weight, ...travellers } = state.travellers ?? {};
  const sized = merging === 'patches' && before !== undefined;
  const weights = weight?.value ?? (sized ? before : undefined);
  const [sum, weightSum] =
    weights === undefined
      ? [gathered(state.features), arrivals]
      : [gathered(mul(state.features, weights)), gathered(weights)];
  const mean = div(sum, weightSum);
  const total = merging === 'similarity' ? similaritySizes() : before === undefined ? arrivals : gathered(before);
  const { features: merged, size } = selection === undefined ? { features: mean, size: total } : chosen(selection);
  const others = { ...state, features: merged, size };
  if (state.travellers === undefined) return others;
  const arriving =
    merging === 'similarity'
      ? { assignment, total: arrivals }
      : { assignment, ...(before && { sourceSize: sourcesOf(before) }), ownSize: before, total };
  const sources = mapTravellers(travellers, sourcesOf);
  return { ...others, travellers: mergeTravellers(travellers, sources, arriving) };

  /** As the selection rule merges: `merge-chosen.ts`. */
  function chosen(rule: Selection): Pick<TokenState, 'features' | 'size'> {
    const own = lengths(state.features);
    const coherence = (): Tensor => div(lengths(sum), gathered(weights === undefined ? own : mul(own, weights)));
    return { features: withLength(mean, own, rule), size: coherentSize(total, coherence, rule) };
  }

  /**
   * Sizes count as at least 1 before they are added up, even those that the similarity has scaled
   * down. Only the search does so.
   */
  function similaritySizes(): Tensor {
    const similarity = stopGradient(cosinesOf(matching, candidates));
    const own = before === undefined ? undefined : max(before, 1);
    const added = own === undefined ? max(similarity, 1) : max(mul(sourcesOf(own), similarity), 1);
    return add(own ?? 1, matMul(assignment, added));
  }
}
