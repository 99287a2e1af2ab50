/**
 * K-medoids as the benchmark of ATC runs it (JoakimHaurum/ATC; Marin et al., arXiv 2110.03860),
 * before three blocks, on the residual stream. A patch token weighs what it receives of attention
 * in the block before. The `K` tokens of most weight are the first medoids, the heaviest first.
 * Then, a few times: every token goes to its nearest medoid, and in each cluster the member with
 * the least `weight · Σ distance to all tokens` becomes the medoid. So of two members alike the one
 * of *less* attention does; weighted K-medoids would weigh each distance by the token at its other
 * end. A cluster without members takes the first patch. The medoids stay, in the order of their
 * clusters; everything else is dropped. There are no sizes. Prefix tokens stay; there may be none.
 * Nothing is trained.
 */
import { argMax, gatherND, greater, mul, neg, reduceMean, reshape, topK, where } from '../../graph/operators/index.ts';
import { DiffrateError } from '../../errors.ts';
import { dimensionAt, inScope, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { asRow } from '../positions.ts';
import { nearestCentres, tokenDistances } from '../token-distances.ts';
import { gridOf } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import { concatStates, gatherTokens, splitTokens, takeTraveller, withTraveller } from '../token-state.ts';
import type { TokenReducer } from '../token-reducer.ts';
import { excluded } from '../weighted-merge.ts';
import { clusterCounts, clusterKeys } from './cluster-counts.ts';
import type { ClusterCounts } from './cluster-counts.ts';
import { beforeBlock } from './method.ts';
import type { ReductionMethod } from './method.ts';

/** Choices of K-medoids. */
export interface KMedoidsOptions {
  readonly clusters: ClusterCounts['clusters'];
  readonly iterations: number;
}

/** Attention that tokens received in the block before travels under this name. */
const attentionTraveller = 'kmedoids.attention';

/** K-medoids' reducer. */
export function kMedoids({ clusters, iterations }: KMedoidsOptions, layout: TokenLayout): TokenReducer {
  return {
    name: 'kmedoids',
    beforeBlock(block, asked) {
      const count = clusters[block];
      const { state, value: attention } = takeTraveller(asked, attentionTraveller);
      if (count === undefined || attention === undefined) return state;
      return inScope('cluster', () => {
        const weight = gridOf(attention, layout);
        const distances = tokenDistances(gridOf(state.features, layout));
        const cost = mul(weight, reduceMean(distances, [2], true));
        let medoids = topK(weight, count, true, 1).indices;
        for (let turn = 0; turn < iterations; turn++) {
          medoids = bestMembers(nearestCentres(gatherND(distances, medoids)), cost);
        }
        if (layout.prefix === 0) return gatherTokens(state, medoids);
        const { first, rest } = splitTokens(state, layout.prefix);
        return concatStates(first, gatherTokens(rest, medoids));
      });
    },
    afterAttention: (block, state, view) =>
      clusters[block + 1] === undefined
        ? state
        : withTraveller(state, attentionTraveller, view.attentionReceived(), 'destination'),
  };
}

/**
 * Positions `[B, K, 1]` of the members `[B, K, P]` of least cost `[B, P, 1]`; of no members, the
 * first token.
 */
function bestMembers(members: Tensor, cost: Tensor): Tensor {
  const best = argMax(where(greater(members, 0.5), neg(asRow(cost)), excluded), 2, true);
  return reshape(best, [dimensionAt(best, 0), sizeAt(members, 1), 1]);
}

/** `kmedoids:keep=0.7,iterations=3`. */
export const kMedoidsMethod: ReductionMethod = {
  name: 'kmedoids',
  title: 'K-medoids (arXiv 2110.03860)',
  keys: [
    ...clusterKeys,
    {
      name: 'iterations',
      kind: 'integer',
      meaning: 'how often medoids are chosen anew',
      fallback: 3,
      min: 0,
      max: 100,
    },
  ],
  needsClassToken: false,
  knob: { key: 'keep', min: () => 0.01, max: () => 1, rising: true },
  build(parameters, network) {
    const { clusters, tokensPerBlock } = clusterCounts('kmedoids', parameters, network);
    if (parameters.numbers('blocks').includes(0)) {
      throw new DiffrateError(
        'kmedoids:blocks names block 0, but tokens are weighed by what they receive in the block before: ' +
          'begin with block 1.',
      );
    }
    return {
      reducer: kMedoids({ clusters, iterations: parameters.number('iterations') }, network.layout),
      tokensPerBlock,
      work: beforeBlock,
    };
  },
};
