/**
 * PPT, "Token Pruning and Pooling" (arXiv 2310.01812; xjwu1024/PPT). In three blocks, between
 * attention and MLP, `r` tokens go, by a policy that is chosen for each image. If the scores of its
 * tokens differ little (unbiased variance below a threshold), ToMe's matching merges `r` pairs:
 * tokens are redundant rather than unimportant. Otherwise the `r` lowest scores are pruned. A score
 * is the class token's attention times the length of the value (as ATS's), normalised over patch
 * tokens. Attention is proportional to sizes in every block. Pruning leaves tokens in descending
 * order of scores, merging in ToMe's order. Both policies leave the same number of tokens, so
 * shapes are static. The graph holds one gather, whose order either policy sets.
 */
import { add, cast, div, less, mul, reduceSum, sub, where } from '../../graph/operators/index.ts';
import { inScope, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { attentionValueScore } from '../attention-value-score.ts';
import { matchEvenToOdd, mostPairs } from '../bipartite-matching.ts';
import { tokensOf } from '../network-shape.ts';
import { gridFlags, prefixColumn } from '../positions.ts';
import type { TokenLayout } from '../token-layout.ts';
import { keySimilarityMetric, mergeByRank } from '../weighted-merge.ts';
import type { BlockView, TokenReducer } from '../token-reducer.ts';
import type { ReductionMethod } from './method.ts';
import { blocksKey, ofPatches, requireMergeable, stageBlocks, tokensAfterRemoving } from './per-block.ts';

/** Choices of PPT. */
export interface PptOptions {
  /** Tokens that go in each of the blocks; fewer where there are not so many. */
  readonly removed: number;
  readonly blocks: readonly number[];
  /** Variance of scores below which an image's tokens are merged. */
  readonly threshold: number;
}

/** Unbiased variance `[B, 1, 1]` of the scores `[B, N, 1]` of patch tokens, which sum to 1. */
export function scoreVariance(score: Tensor, layout: TokenLayout): Tensor {
  const tokens = sizeAt(score, 1);
  const patches = tokens - layout.prefix;
  const centred = mul(sub(score, 1 / patches), gridFlags(layout, tokens));
  return div(reduceSum(mul(centred, centred), [1], true), Math.max(1, patches - 1));
}

/** Scores `[B, N, 1]` by which PPT decides in a block. */
export const pptScore = (view: BlockView, layout: TokenLayout): Tensor => attentionValueScore(view, layout);

/** PPT's reducer. */
export function ppt({ removed, blocks, threshold }: PptOptions, layout: TokenLayout): TokenReducer {
  const { prefix } = layout;
  return {
    name: 'ppt',
    keySizes: (_, state) => state.size,
    afterAttention(block, state, view) {
      const tokens = sizeAt(state.features, 1);
      const pairs = Math.min(removed, mostPairs(tokens, layout));
      if (!blocks.includes(block) || pairs < 1) return state;
      const score = inScope('score', () => pptScore(view, layout));
      const merges = inScope('score', () => less(scoreVariance(score, layout), threshold));
      const { merging, rank } = inScope('match', () => matchEvenToOdd(keySimilarityMetric(view), pairs, layout));
      const prefixFirst = prefixColumn(layout, tokens, (position) => 1 + prefix - position);
      const byScore = add(score, prefixFirst);
      const order = inScope('score', () => where(merges, rank, byScore));
      return inScope('merge', () => mergeByRank(state, order, tokens - pairs, merging, cast(merges, 'float32')));
    },
  };
}

/** `ppt:r=50,threshold=0.00006`. */
export const pptMethod: ReductionMethod = {
  name: 'ppt',
  title: 'PPT (arXiv 2310.01812)',
  keys: [
    { name: 'r', kind: 'integer', meaning: 'tokens that go in each of the blocks', fallback: ofPatches(50), min: 0 },
    {
      name: 'threshold',
      kind: 'number',
      meaning: 'variance of an image’s scores below which its tokens are merged instead of pruned',
      fallback: 7e-5,
      min: 0,
    },
    blocksKey,
  ],
  needsClassToken: true,
  pictureRemark: 'Whether a block prunes or merges differs per image.',
  knob: {
    key: 'r',
    min: () => 0,
    max: (network) => mostPairs(tokensOf(network), network.layout),
    rising: false,
    whole: true,
  },
  build(parameters, network) {
    const removed = parameters.number('r');
    requireMergeable('ppt', 'r', [removed], network);
    const blocks = stageBlocks('ppt', parameters.numbers('blocks'), network);
    const perBlock = Array.from({ length: network.depth }, (_, block) => (blocks.includes(block) ? removed : 0));
    return {
      reducer: ppt({ removed, blocks, threshold: parameters.number('threshold') }, network.layout),
      tokensPerBlock: tokensAfterRemoving(perBlock, network.layout, mostPairs),
    };
  },
};
