/**
 * DiffRate while its kept numbers are learnt (arXiv 2305.17997, section 3.2): nothing is removed, tokens are sorted and masked,
 * and the mask of every block is an input by sorted position, so that its gradient tells what each position is worth.
 * Whoever feeds it (the proxies of `src/search`) decides kept numbers and turns the gradients into theirs.
 */
import {
  add,
  cast,
  div,
  dynamicSlice,
  equal,
  matMul,
  max,
  mul,
  reduceL2,
  reduceMax,
  reduceSum,
  reshape,
  transpose,
} from '../../graph/operators/index.ts';
import { dimensionAt, inScope, input, sizeAt, stopGradient } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { maskedAttention } from '../../nn/masked-attention.ts';
import { importance } from '../importance.ts';
import { sortTokens } from '../sort.ts';
import type { TokenState } from '../token-state.ts';
import type { TokenReducer } from '../token-reducer.ts';

/** Inputs of one searched block; positions are those after sorting by importance. */
export interface SearchedBlock {
  readonly block: number;
  /** `[N]`: 1 where a token is kept by this block's pruning and merging (or was gone before), 0 where it goes. */
  readonly mask: Tensor;
  /** `[N]`: 0 for a destination of merging, −2 (below any cosine) for every other position. */
  readonly destinations: Tensor;
  /** int64 `[1]` each: first source and the position after the last; at least one position. */
  readonly sourceStart: Tensor;
  readonly sourceEnd: Tensor;
  /**
   * `[S]`: 1 for a source that is merged, 0 for one that is pruned (or that stands in where nothing is removed). Its gradient says
   * what merging a token into its destination is worth; the published method has none, since its proxies act on the mask alone.
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
  readonly classToken?: boolean;
  /** Removed tokens attend to themselves (the paper's eq. 11), or only to kept ones. */
  readonly toThemselves?: boolean;
}

const smallestNorm = 1e-6;

/** DiffRate's masked, differentiable form for a network of `tokens` tokens. */
export function diffRateSearch(
  tokens: number,
  { searched, classToken = true, toThemselves = true }: SearchReducerOptions,
): SearchReducer {
  const blocks = searched.map((block) => inputsOf(block, tokens));
  const reducer: TokenReducer = {
    name: 'diffrate-search',
    attend(_, state, queries, keys, values) {
      if (state.mask === undefined) return undefined;
      const { mask, size } = state;
      // A class token that attends alone (last block) is never removed: nothing to add for itself.
      const square = dimensionAt(queries, 2) === dimensionAt(keys, 2);
      return inScope('masked', () =>
        maskedAttention({ queries, keys, values, mask, size, toThemselves: toThemselves && square }),
      );
    },
    afterAttention(block, state, view) {
      const inputs = blocks.find((candidate) => candidate.block === block);
      if (inputs === undefined) return state;
      const score = stopGradient(inScope('importance', () => importance('class-attention', view, classToken, 0)));
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
  // Nothing was removed before: every image has the same mask, which takes its batch size from the features.
  const ones = add(mul(stopGradient(firstColumn(state.features)), 0), 1);
  return { ...state, mask: mul(ones, own) };
}

const firstColumn = (features: Tensor): Tensor => reduceMax(features, [-1], true);

/** Sources stay where they are, masked; destinations become the mean of themselves and what was matched to them. */
function mergeInPlace(state: TokenState, inputs: SearchedBlock): TokenState {
  const [batch, tokens] = [dimensionAt(state.features, 0), sizeAt(inputs.mask, 0)];
  const sourcesName = `sources.${inputs.block}`;
  const sourcesOf = (x: Tensor): Tensor => dynamicSlice(x, 1, inputs.sourceStart, inputs.sourceEnd, sourcesName);
  const { assignment, similarity } = matchInPlace(stopGradient(state.features), inputs);
  const gather = transpose(assignment, [0, 2, 1]);
  const share = reshape(div(1, add(reduceSum(assignment, [1]), 1)), [batch, tokens, 1]);
  const features = mul(add(state.features, matMul(gather, sourcesOf(state.features))), share);
  // Sizes are at least 1 before they are added up, also those that the similarity has scaled down (the search alone does so).
  const before = state.size === undefined ? undefined : max(state.size, 1);
  const added = before === undefined ? max(similarity, 1) : max(mul(sourcesOf(before), similarity), 1);
  const size = add(before ?? 1, matMul(gather, added));
  return { ...state, features, size };
}

/** One-hot assignment `[B, S, N]` and similarity `[B, S, 1]` of sources to destinations, without a gradient. */
function matchInPlace(features: Tensor, inputs: SearchedBlock): { assignment: Tensor; similarity: Tensor } {
  const [batch, tokens] = [dimensionAt(features, 0), sizeAt(inputs.mask, 0)];
  const name = `sources.${inputs.block}`;
  const norms = add(reduceL2(features, [-1], true), smallestNorm);
  const slice = (x: Tensor): Tensor => dynamicSlice(x, 1, inputs.sourceStart, inputs.sourceEnd, name);
  const products = matMul(slice(features), transpose(features, [0, 2, 1]));
  const cosine = div(div(products, reshape(norms, [batch, 1, tokens])), slice(norms));
  const allowed = add(cosine, reshape(inputs.destinations, [1, 1, tokens]));
  const similarity = reduceMax(allowed, [-1], true);
  const chosen = cast(equal(allowed, similarity), 'float32');
  return {
    assignment: mul(stopGradient(chosen), reshape(inputs.sourceWeight, [1, name, 1])),
    similarity: stopGradient(similarity),
  };
}
