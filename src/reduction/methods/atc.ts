/**
 * ATC, "Agglomerative Token Clustering" (arXiv 2409.11923; JoakimHaurum/ATC), in three blocks, or
 * in any, between attention and MLP. Patch tokens are clustered by the cosine of their keys,
 * averaged over heads (`agglomeration.ts`). Sizes play no part in that. A cluster becomes its mean
 * by sizes, sizes add up, and attention is proportional to them. Without proportional attention the
 * code forgets sizes after each block, so that means are plain ones. Prefix tokens stay; there may
 * be none. Clusters are left in the order of their first tokens, where the code has the order of a
 * heap; no answer depends on it. Nothing is trained.
 *
 * A join needs the one before, so each is written into the graph. They take time, but hardly any
 * multiplications: `bench` shows what FLOPs do not. On WebGPU no operator falls back to the CPU,
 * but hundreds of small ones follow each other.
 */
import { matMul, transpose } from '../../graph/operators/index.ts';
import { inScope, sizeAt } from '../../graph/tensor.ts';
import { agglomerate, linkages } from '../agglomeration.ts';
import type { Linkage } from '../agglomeration.ts';
import { clusteredState } from '../token-clusters.ts';
import { gridOf } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import { concatStates, splitTokens } from '../token-state.ts';
import type { TokenReducer } from '../token-reducer.ts';
import { keySimilarityMetric } from '../weighted-merge.ts';
import { clusterCounts, clusterKeys } from './cluster-counts.ts';
import type { ClusterCounts } from './cluster-counts.ts';
import { columnLike } from './keep-decisions.ts';
import type { ReductionMethod } from './method.ts';

/** Choices of ATC. */
export interface AtcOptions {
  readonly clusters: ClusterCounts['clusters'];
  readonly linkage: Linkage;
  /** Whether attention is proportional to sizes, which are then kept from block to block. */
  readonly proportional: boolean;
}

/** ATC's reducer. */
export function atc({ clusters, linkage, proportional }: AtcOptions, layout: TokenLayout): TokenReducer {
  return {
    name: 'atc',
    keySizes: (_, state) => state.size,
    afterAttention(block, state, view) {
      const count = clusters[block];
      if (count === undefined) return state;
      const found = inScope('match', () => {
        const metric = gridOf(keySimilarityMetric(view), layout);
        return agglomerate(matMul(metric, transpose(metric, [0, 2, 1])), count, linkage);
      });
      return inScope('merge', () => {
        const size = state.size ?? columnLike(state.features, sizeAt(state.features, 1), 1);
        const sized = { ...state, size };
        const { first, rest } = layout.prefix === 0 ? { rest: sized } : splitTokens(sized, layout.prefix);
        const clustered = clusteredState(rest, found);
        const left = first === undefined ? clustered : concatStates(first, clustered);
        return proportional ? left : { ...left, size: undefined };
      });
    },
  };
}

/** `atc:keep=0.7,linkage=average`. */
export const atcMethod: ReductionMethod = {
  name: 'atc',
  title: 'ATC (arXiv 2409.11923)',
  keys: [
    ...clusterKeys,
    {
      name: 'linkage',
      kind: 'word',
      words: linkages,
      meaning: 'how near two clusters are: all pairs on the mean, the farthest pair, the nearest',
      fallback: 'average',
    },
    {
      name: 'proportional',
      kind: 'flag',
      meaning: 'proportional attention',
      fallback: ({ reads }) => reads === 'prefix',
    },
  ],
  needsClassToken: false,
  mergesOnly: true,
  knob: { key: 'keep', min: () => 0.01, max: () => 1, rising: true },
  build(parameters, network) {
    const { clusters, tokensPerBlock } = clusterCounts('atc', parameters, network);
    const linkage = linkages.find((name) => name === parameters.text('linkage')) ?? 'average';
    const options: AtcOptions = { clusters, linkage, proportional: parameters.flag('proportional') };
    return { reducer: atc(options, network.layout), tokensPerBlock };
  },
};
