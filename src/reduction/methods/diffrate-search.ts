/**
 * DiffRate while its kept numbers are learnt (arXiv 2305.17997, section 3.2). Tokens are sorted and
 * masked, but not removed. The mask of every block is an input by sorted position, so that its
 * gradient tells what each position is worth. The proxies of `src/search` feed the masks: they
 * decide the kept numbers, and turn the masks' gradients into gradients of their own.
 */
import {
  add,
  div,
  dynamicSlice,
  matMul,
  max,
  mul,
  reduceMax,
  reduceSum,
  reshape,
  transpose,
} from '../../graph/operators/index.ts';
import { dimensionAt, inScope, input, sizeAt, stopGradient } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { maskedAttention } from '../../nn/masked-attention.ts';
import { importance, metricFor } from '../importance.ts';
import { cosinesOf, matchTokens } from '../merge.ts';
import { sortTokens } from '../sort.ts';
import { tokenCount } from '../token-layout.ts';
import { mapTravellers, mergeTravellers } from '../token-state.ts';
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
}

/** DiffRate's masked, differentiable form for a network with these tokens. */
export function diffRateSearch(
  { layout, importanceFrom }: RankedTokens,
  { searched, toThemselves = true }: SearchReducerOptions,
): SearchReducer {
  const metric = metricFor(importanceFrom);
  const blocks = searched.map((block) => inputsOf(block, tokenCount(layout)));
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
      const sorted = inScope('sort', () => sortTokens(state, score));
      return inScope('merge', () => mergeInPlace(masked(sorted, inputs), inputs));
    },
  };
  return { reducer, blocks };
}

function inputsOf(block: number, tokens: number): SearchedBlock {
  const named = (name: string): string => `blocks.${block}.${name}`;
  return {
    block,
    mask: input(named('mask'), 'float32', [tokens]),
    destinations: input(named('destinations'), 'float32', [tokens]),
    sourceStart: input(named('source_start'), 'int64', [1]),
    sourceEnd: input(named('source_end'), 'int64', [1]),
    sourceWeight: input(named('source_weight'), 'float32', [`sources.${block}`]),
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

/**
 * Sources stay where they are, masked; destinations become the mean of themselves and what was
 * matched to them.
 */
function mergeInPlace(state: TokenState, inputs: SearchedBlock): TokenState {
  const [batch, tokens] = [dimensionAt(state.features, 0), sizeAt(inputs.mask, 0)];
  const name = `sources.${inputs.block}`;
  const sourcesOf = (x: Tensor): Tensor => dynamicSlice(x, 1, inputs.sourceStart, inputs.sourceEnd, name);
  const features = stopGradient(state.features);
  const candidates = sourcesOf(features);
  const matching = matchTokens(candidates, features, reshape(inputs.destinations, [1, 1, tokens]));
  // A pruned source joins its destination with weight 0, which carries the gradient of merging it.
  const joins = mul(stopGradient(matching.choices), reshape(inputs.sourceWeight, [1, name, 1]));
  const similarity = stopGradient(cosinesOf(matching, candidates));
  const assignment = transpose(joins, [0, 2, 1]);
  const total = add(reduceSum(joins, [1]), 1);
  const share = reshape(div(1, total), [batch, tokens, 1]);
  const merged = mul(add(state.features, matMul(assignment, sourcesOf(state.features))), share);
  // Sizes count as at least 1 before they are added up, even those that the similarity has scaled
  // down. Only the search does so.
  const before = state.size === undefined ? undefined : max(state.size, 1);
  const added = before === undefined ? max(similarity, 1) : max(mul(sourcesOf(before), similarity), 1);
  const size = add(before ?? 1, matMul(assignment, added));
  if (state.travellers === undefined) return { ...state, features: merged, size };
  const arriving = { assignment, total: reshape(total, [batch, tokens, 1]) };
  const sources = mapTravellers(state.travellers, sourcesOf);
  return { ...state, features: merged, size, travellers: mergeTravellers(state.travellers, sources, arriving) };
}
