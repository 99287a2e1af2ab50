/**
 * ToFu, "Token Fusion: Bridging the Gap between Token Pruning and Token Merging" (arXiv
 * 2312.01026), in every block between attention and MLP. Its authors published no code. Tokens
 * match as in ToMe. Early blocks prune: the sources of the `r` most similar pairs go, and nothing
 * else changes. Later blocks merge by MLERP, which keeps norms: with `m` the mean of a group, the
 * new token is `m / ‖m‖ · max ‖x_i‖`.
 *
 * - `variant=formula`: this. Means are plain, and attention knows no sizes. With `sizes=true`, a
 *   reading of this library, means are weighted by sizes, sizes add up where tokens merge, and
 *   attention is proportional to them.
 * - `variant=third-party`: what hchautran/PiToMe and OpenToMe run. The new token is `m · max ‖x_i‖
 *   / ‖x_B‖`, `x_B` the destination before merging, so that norms are not kept. It has no sizes.
 *
 * Prefix tokens take no part; there may be none. Nothing is trained.
 */
import {
  cast,
  div,
  equal,
  gatherND,
  max,
  mul,
  reduceL2,
  reduceMax,
  reshape,
  topK,
} from '../../graph/operators/index.ts';
import { DiffrateError, UsageError } from '../../errors.ts';
import { dimensionAt, inScope, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { matchEvenToOdd, mostPairs } from '../bipartite-matching.ts';
import { nameOf, tokensOf } from '../network-shape.ts';
import type { NetworkShape } from '../network-shape.ts';
import { asRow, perPosition } from '../positions.ts';
import { tokenCount } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import { gatherTokens, takeTraveller, withTraveller } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import { keySimilarityMetric, mergeByRank } from '../weighted-merge.ts';
import type { Merging } from '../weighted-merge.ts';
import type { TokenReducer } from '../token-reducer.ts';
import type { ReductionMethod } from './method.ts';
import { countPerBlock, perBlockKey, requireMergeable } from './per-block.ts';

/** Which norms merged tokens get. */
export const tofuVariants = ['formula', 'third-party'] as const;

/** Choices of ToFu. */
export interface TofuOptions {
  /** Pairs that go in a block with N tokens. */
  readonly removed: (block: number, tokens: number) => number;
  /** So many leading blocks prune, the others merge. */
  readonly pruning: number;
  readonly variant: (typeof tofuVariants)[number];
  /** Whether sizes weigh in means and in attention. */
  readonly sizes: boolean;
}

function removedTokens({ removed }: Pick<TofuOptions, 'removed'>, block: number, tokens: number, layout: TokenLayout) {
  return Math.min(removed(block, tokens), mostPairs(tokens, layout));
}

/** Tokens that are left after each block. */
export function tofuTokens(options: Pick<TofuOptions, 'removed'>, depth: number, layout: TokenLayout): number[] {
  let left = tokenCount(layout);
  return Array.from({ length: depth }, (_, block) => (left -= removedTokens(options, block, left, layout)));
}

/** ToFu's reducer. */
export function tofu(options: TofuOptions, layout: TokenLayout): TokenReducer {
  return {
    name: 'tofu',
    keySizes: (_, state) => state.size,
    afterAttention(block, state, view) {
      const tokens = sizeAt(state.features, 1);
      const pairs = removedTokens(options, block, tokens, layout);
      if (pairs < 1) return state;
      const { merging, rank } = inScope('match', () => matchEvenToOdd(keySimilarityMetric(view), pairs, layout));
      const left = tokens - pairs;
      if (block < options.pruning) {
        return inScope('prune', () => gatherTokens(state, topK(rank, left, true, 1).indices));
      }
      return inScope('merge', () => mergeKeepingNorms(state, rank, left, merging, options));
    },
  };
}

/** What becomes of each token's norm travels with it under this name. */
const normTraveller = 'tofu.norm';

function mergeKeepingNorms(
  state: TokenState,
  rank: Tensor,
  left: number,
  merging: Merging,
  { variant, sizes }: TofuOptions,
): TokenState {
  const norms = reduceL2(state.features, [-1], true);
  const largest = largestNorms(norms, merging);
  const wanted = variant === 'formula' ? largest : div(largest, atLeast(norms));
  const travelling = withTraveller(state, normTraveller, wanted, 'destination');
  const { state: merged, value: scale = wanted } = takeTraveller(
    mergeByRank(travelling, rank, left, merging),
    normTraveller,
  );
  const factor = variant === 'formula' ? div(scale, atLeast(reduceL2(merged.features, [-1], true))) : scale;
  return { ...merged, features: mul(merged.features, factor), size: sizes ? merged.size : undefined };
}

/** A token of zeros stays one. */
const atLeast = (norm: Tensor): Tensor => max(norm, 1e-7);

/** For each of the N tokens the largest norm of itself and of those that join it, `[B, N, 1]`. */
function largestNorms(norms: Tensor, { sources, destinations }: Merging): Tensor {
  const tokens = sizeAt(norms, 1);
  const positions = asRow(perPosition(tokens, (position) => position));
  const arriving = mul(cast(equal(destinations, positions), 'float32'), gatherND(norms, sources));
  return max(norms, reshape(reduceMax(arriving, [1], true), [dimensionAt(norms, 0), tokens, 1]));
}

/** `tofu:r=13`, `tofu:ratio=0.91,variant=third-party`. */
export const tofuMethod: ReductionMethod = {
  name: 'tofu',
  title: 'ToFu (arXiv 2312.01026)',
  keys: [
    perBlockKey('r', 'tokens that go in every block, a fraction being spread over blocks, or one number per block', 13),
    {
      name: 'ratio',
      kind: 'list',
      meaning: 'share of all tokens that every block keeps, or one share per block, in place of r',
      fallback: [],
      min: 0.5,
      max: 1,
    },
    {
      name: 'prune',
      kind: 'list',
      meaning: 'number of leading blocks that prune; by default half of them, in third-party code one more',
      fallback: [],
      min: 0,
    },
    {
      name: 'variant',
      kind: 'word',
      words: tofuVariants,
      meaning: 'formula keeps norms; third-party is what public code runs',
      fallback: 'formula',
    },
    {
      name: 'sizes',
      kind: 'flag',
      meaning: 'means and attention by sizes, not in third-party code',
      fallback: false,
    },
  ],
  needsClassToken: false,
  mergesOnly: true,
  pictureRemark: 'The first blocks prune.',
  knob: { key: 'r', min: () => 0, max: (network) => mostPairs(tokensOf(network), network.layout), rising: false },
  build(parameters, network) {
    const { layout, depth } = network;
    const variant = tofuVariants.find((name) => name === parameters.text('variant')) ?? 'formula';
    const sizes = parameters.flag('sizes');
    if (sizes && variant === 'third-party') {
      throw new UsageError('tofu:sizes=true is for the formula: third-party code has no sizes; leave one of them out.');
    }
    const options: TofuOptions = {
      removed: removedOf(parameters.numbers('r'), parameters.numbers('ratio'), network),
      pruning: pruningBlocks(parameters.numbers('prune'), variant, network),
      variant,
      sizes,
    };
    return { reducer: tofu(options, layout), tokensPerBlock: tofuTokens(options, depth, layout) };
  },
};

function removedOf(
  counts: readonly number[],
  ratios: readonly number[],
  network: NetworkShape,
): TofuOptions['removed'] {
  if (ratios.length > 0) {
    if (ratios.length > 1 && ratios.length !== network.depth) {
      throw new DiffrateError(
        `tofu:ratio=${ratios.join('/')} has ${ratios.length} numbers but ${nameOf(network)} has ` +
          `${network.depth} blocks: give one share, or one for each block.`,
      );
    }
    return (block, tokens) => Math.floor(tokens - tokens * (ratios[ratios.length > 1 ? block : 0] ?? 1));
  }
  const removed = countPerBlock('tofu', 'r', counts, network);
  requireMergeable('tofu', 'r', removed, network);
  return (block) => removed[block] ?? 0;
}

/** How many blocks prune; none by default where every token is needed again. */
function pruningBlocks(given: readonly number[], variant: TofuOptions['variant'], network: NetworkShape): number {
  const { depth, mergeOnly } = network;
  const [asked] = given;
  if (asked === undefined) return mergeOnly ? 0 : Math.floor(depth / 2) + (variant === 'formula' ? 0 : 1);
  if (given.length > 1 || !Number.isInteger(asked)) {
    throw new UsageError(`tofu:prune=${given.join('/')} must be one whole number: so many leading blocks prune.`);
  }
  if (mergeOnly && asked > 0) {
    throw new DiffrateError(
      `tofu:prune=${asked} prunes, but ${nameOf(network)} needs all tokens again after its last block: ` +
        'set prune to 0.',
    );
  }
  return asked;
}
