/**
 * ToMe, "Token Merging: Your ViT But Faster" (arXiv 2210.09461; facebookresearch/ToMe). In every block, between attention and MLP:
 * the similarity of tokens is the cosine of their keys, averaged over heads; tokens at even positions each propose their most similar
 * token at an odd position; the `r` most similar pairs merge, weighted by size. The class token neither goes nor takes any.
 * Left are the unmerged even tokens in order and then all odd ones, and the next block pairs that order anew.
 * Proportional attention adds the logarithm of each key's size to the logits (the authors leave it off for MAE).
 * Where fewer than `r` pairs are possible, as many merge as can. Nothing is trained.
 */
import { inScope, sizeAt } from '../../graph/tensor.ts';
import { matchEvenToOdd, mostPairs } from '../bipartite-matching.ts';
import { keySimilarityMetric, mergeByRank } from '../weighted-merge.ts';
import type { TokenReducer } from '../token-reducer.ts';
import type { ReductionMethod } from './method.ts';
import { countPerBlock, perBlockKey, requireMergeable, tokensAfterRemoving } from './per-block.ts';

/** Tokens that are left after each block when `removed[block]` pairs are to merge in it. */
export function tomeTokens(removed: readonly number[], tokens: number): number[] {
  return tokensAfterRemoving(removed, tokens, mostPairs);
}

/**
 * ToMe's reducer.
 * @param removed pairs to merge per block; fewer where there are not so many.
 * @param proportional whether attention is proportional to sizes.
 */
export function tome(removed: readonly number[], proportional = true): TokenReducer {
  return {
    name: 'tome',
    keySizes: (_, state) => (proportional ? state.size : undefined),
    afterAttention(block, state, view) {
      const tokens = sizeAt(state.features, 1);
      const pairs = Math.min(removed[block] ?? 0, mostPairs(tokens));
      if (pairs < 1) return state;
      const { merging, rank } = inScope('match', () => matchEvenToOdd(keySimilarityMetric(view), pairs));
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
      fallback: ({ pool }) => pool === 'class-token',
    },
  ],
  needsClassToken: true,
  knob: { key: 'r', min: 0, max: ({ tokens }) => mostPairs(tokens), rising: false },
  build(parameters, network) {
    const removed = countPerBlock('tome', 'r', parameters.numbers('r'), network);
    requireMergeable('tome', 'r', removed, network);
    return {
      reducer: tome(removed, parameters.flag('proportional')),
      tokensPerBlock: tomeTokens(removed, network.tokens),
    };
  },
};
