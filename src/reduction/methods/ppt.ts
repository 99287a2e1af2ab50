/**
 * PPT, "Token Pruning and Pooling" (arXiv 2310.01812; xjwu1024/PPT). In three blocks, between attention and MLP, `r` tokens go, by a
 * policy that is chosen for each image: if the scores of its tokens differ little (unbiased variance below a threshold), tokens are
 * redundant rather than unimportant, and ToMe's matching merges `r` pairs; else the `r` lowest scores are pruned.
 * A score is the class token's attention times the length of the value (as ATS's), normalised over patch tokens.
 * Attention is proportional to sizes in every block. Pruning leaves descending score order, merging ToMe's order.
 * Both policies leave as many tokens, so shapes are static: the graph holds one gather, whose order either policy sets.
 */
import { add, cast, div, less, mul, reduceSum, sub, where } from '../../graph/operators/index.ts';
import { inScope, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { attentionValueScore } from '../attention-value-score.ts';
import { matchEvenToOdd, mostPairs } from '../bipartite-matching.ts';
import { perPosition } from '../positions.ts';
import { keySimilarityMetric, mergeByRank } from '../weighted-merge.ts';
import type { AttentionView, TokenReducer } from '../token-reducer.ts';
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
export function scoreVariance(score: Tensor): Tensor {
  const tokens = sizeAt(score, 1);
  const centred = mul(
    sub(score, 1 / (tokens - 1)),
    perPosition(tokens, (position) => (position === 0 ? 0 : 1)),
  );
  return div(reduceSum(mul(centred, centred), [1], true), Math.max(1, tokens - 2));
}

/** Scores `[B, N, 1]` by which PPT decides in a block. */
export const pptScore = (view: AttentionView): Tensor => attentionValueScore(view);

/** PPT's reducer. */
export function ppt({ removed, blocks, threshold }: PptOptions): TokenReducer {
  return {
    name: 'ppt',
    keySizes: (_, state) => state.size,
    afterAttention(block, state, view) {
      const tokens = sizeAt(state.features, 1);
      const pairs = Math.min(removed, mostPairs(tokens));
      if (!blocks.includes(block) || pairs < 1) return state;
      const score = inScope('score', () => pptScore(view));
      const merges = inScope('score', () => less(scoreVariance(score), threshold));
      const { merging, rank } = inScope('match', () => matchEvenToOdd(keySimilarityMetric(view), pairs));
      const byScore = add(
        score,
        perPosition(tokens, (position) => (position === 0 ? 2 : 0)),
      );
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
  knob: { key: 'r', min: 0, max: ({ tokens }) => mostPairs(tokens), rising: false, whole: true },
  build(parameters, network) {
    const removed = parameters.number('r');
    requireMergeable('ppt', 'r', [removed], network);
    const blocks = stageBlocks('ppt', parameters.numbers('blocks'), network);
    const perBlock = Array.from({ length: network.depth }, (_, block) => (blocks.includes(block) ? removed : 0));
    return {
      reducer: ppt({ removed, blocks, threshold: parameters.number('threshold') }),
      tokensPerBlock: tokensAfterRemoving(perBlock, network.tokens, mostPairs),
    };
  },
};
