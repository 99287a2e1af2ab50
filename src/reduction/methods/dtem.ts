/**
 * DTEM, "Learning to Merge Tokens via Decoupled Embedding" (NeurIPS 2024, arXiv 2412.10569;
 * movinghoon/DTEM). Beside queries, keys and values every block has a linear layer that embeds its
 * tokens for matching alone. Tokens match and merge as in ToMe, with that embedding in place of
 * keys, between attention and MLP. It is as wide as a head, and twice as wide in networks of width
 * 1024 or more. Attention is proportional to sizes. Prefix tokens take no part. Only the embedding
 * is trained, in a soft form (`dtem-soft.ts`); `r` may be another one afterwards. The form for MAE,
 * which reads the mean of all patches, is not here.
 */
import { inScope, sizeAt } from '../../graph/tensor.ts';
import { matchEvenToOdd, mostPairs } from '../bipartite-matching.ts';
import type { FeatureSizes } from '../network-shape.ts';
import type { TokenLayout } from '../token-layout.ts';
import type { TokenReducer } from '../token-reducer.ts';
import { mergeByRank } from '../weighted-merge.ts';
import { embeddingOf, embeddingParameters } from './dtem-embedding.ts';
import type { EmbeddingSizes } from './dtem-embedding.ts';
import { softDtem } from './dtem-soft.ts';
import { requireLearned } from './learned.ts';
import type { LearnedMethod } from './learned.ts';
import type { ReductionMethod } from './method.ts';
import { countPerBlock, featuresOf, perBlockKey, requireMergeable, tokensAfterRemoving } from './per-block.ts';

/** Choices of DTEM. */
export interface DtemOptions extends EmbeddingSizes {
  /** Pairs to merge per block; fewer where there are not so many. */
  readonly removed: readonly number[];
}

/** DTEM's reducer, once it knows the network's parameters. */
export function dtem(options: DtemOptions, layout: TokenLayout): TokenReducer {
  const own = embeddingParameters(options, options.removed.length);
  return {
    name: 'dtem',
    withParameters(parameters) {
      requireLearned('dtem', 'embeddings', own, parameters);
      return {
        name: 'dtem',
        keySizes: (_, state) => state.size,
        afterAttention(block, state, view) {
          const tokens = sizeAt(state.features, 1);
          const pairs = Math.min(options.removed[block] ?? 0, mostPairs(tokens, layout));
          if (pairs < 1) return state;
          const { merging, rank } = inScope('match', () =>
            matchEvenToOdd(embeddingOf(view.normalized, block, options, parameters), pairs, layout),
          );
          return inScope('merge', () => mergeByRank(state, rank, tokens - pairs, merging));
        },
      };
    },
  };
}

/** What is trained, and how. */
export function dtemTraining(options: DtemOptions, layout: TokenLayout): LearnedMethod {
  return {
    parameters: embeddingParameters(options, options.removed.length),
    trainsNetwork: false,
    training: () => ({
      reducer: {
        name: 'dtem, soft',
        withParameters: (parameters) => softDtem(options.removed, options, layout, parameters),
      },
      noise: [],
      terms: () => [],
    }),
  };
}

/** The width of a head, twice that where the network is wide. */
const usualWidth = ({ width, heads }: FeatureSizes): number => (width / heads) * (width < 1024 ? 1 : 2);

/** `dtem:r=13`. */
export const dtemMethod: ReductionMethod = {
  name: 'dtem',
  title: 'DTEM (arXiv 2412.10569)',
  keys: [
    perBlockKey('r', 'tokens merged in every block, a fraction being spread over blocks, or one number per block', 13),
    {
      name: 'width',
      kind: 'integer',
      meaning: 'width of the embedding, by default that of a head, or twice that from width 1024 on',
      fallback: ({ features }) => (features === undefined ? 64 : usualWidth(features)),
      min: 1,
    },
  ],
  needsClassToken: true,
  trained: true,
  build(parameters, network) {
    const { width } = featuresOf('dtem', network);
    const { layout } = network;
    const removed = countPerBlock('dtem', 'r', parameters.numbers('r'), network);
    requireMergeable('dtem', 'r', removed, network);
    const options: DtemOptions = { removed, embedding: parameters.number('width'), width };
    return {
      reducer: dtem(options, layout),
      tokensPerBlock: tokensAfterRemoving(removed, layout, mostPairs),
      learned: dtemTraining(options, layout),
    };
  },
};
