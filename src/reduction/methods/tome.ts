/**
 * ToMe, "Token Merging: Your ViT But Faster" (arXiv 2210.09461; facebookresearch/ToMe), in every
 * block between attention and MLP. The similarity of tokens is the cosine of their keys, averaged
 * over heads. Tokens at even positions each propose their most similar token at an odd position.
 * The `r` most similar pairs merge, weighted by size. Prefix tokens take no part; there may be
 * none. The unmerged even tokens and then all odd ones are left, and the next block pairs that
 * order anew (`bipartite-matching.ts`). Proportional attention adds the logarithm of each key's
 * size to the logits (the authors leave it off for MAE). Where fewer than `r` pairs are possible,
 * all possible pairs merge. Nothing is trained.
 */
import { inScope, sizeAt } from '../../graph/tensor.ts';
import { matchEvenToOdd, mostPairs } from '../bipartite-matching.ts';
import { tokensOf } from '../network-shape.ts';
import type { TokenLayout } from '../token-layout.ts';
import { keySimilarityMetric, mergeByRank } from '../weighted-merge.ts';
import type { TokenReducer } from '../token-reducer.ts';
import type { ReductionMethod } from './method.ts';
import { countPerBlock, perBlockKey, requireMergeable, tokensAfterRemoving } from './per-block.ts';

/** Tokens that are left after each block when `removed[block]` pairs are to merge in it. */
export function tomeTokens(removed: readonly number[], layout: TokenLayout): number[] {
  return tokensAfterRemoving(removed, layout, mostPairs);
}

/**
 * ToMe's reducer.
 * @param removed pairs to merge per block; fewer where there are not so many.
 * @param proportional whether attention is proportional to sizes.
 */
export function tome(removed: readonly number[], layout: TokenLayout, proportional = true): TokenReducer {
  return {
    name: 'tome',
    keySizes: (_, state) => (proportional ? state.size : undefined),
    afterAttention(block, state, view) {
      const tokens = sizeAt(state.features, 1);
      const pairs = Math.min(removed[block] ?? 0, mostPairs(tokens, layout));
      if (pairs < 1) return state;
      const { merging, rank } = inScope('match', () => matchEvenToOdd(keySimilarityMetric(view), pairs, layout));
      return inScope('merge', () => mergeByRank(state, rank, tokens - pairs, merging));
    },
  };
}

/** `tome:r=13`, `tome:r=8/8/6/6/4/4/2/2/0/0/0/0,proportional=false`. */
export const tomeMethod: ReductionMethod = {
  name: 'tome',
  title: 'ToMe (arXiv 2210.09461)',
  keys: [
    perBlockKey('r', 'tokens merged in every block, a fraction being spread over blocks, or one number per block', 13),
    {
      name: 'proportional',
      kind: 'flag',
      meaning: 'proportional attention',
      fallback: ({ reads }) => reads === 'prefix',
    },
  ],
  needsClassToken: false,
  mergesOnly: true,
  knob: { key: 'r', min: () => 0, max: (network) => mostPairs(tokensOf(network), network.layout), rising: false },
  build(parameters, network) {
    const removed = countPerBlock('tome', 'r', parameters.numbers('r'), network);
    requireMergeable('tome', 'r', removed, network);
    return {
      reducer: tome(removed, network.layout, parameters.flag('proportional')),
      tokensPerBlock: tomeTokens(removed, network.layout),
    };
  },
};
