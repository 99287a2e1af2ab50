/**
 * DPC-KNN, density peaks with nearest neighbours, as the benchmark of ATC runs it
 * (JoakimHaurum/ATC; TCFormer, arXiv 2204.08680), before three blocks, on the residual stream. With
 * `d` the distance of two patch tokens over √C, a token's density is `ρ = exp(−mean of the k
 * smallest d²)`, itself among them, and its `δ` the distance to the nearest token of larger
 * density, or the largest distance of all where there is none. The `K` tokens of the largest `ρ·δ`
 * are centres, in that order. Every other token joins the nearest centre, and a cluster becomes its
 * plain mean. There are no sizes. Prefix tokens stay; there may be none. Nothing is trained.
 *
 * The code adds noise below 1e-6 to densities, which are as small themselves; there is none here.
 * Densities are compared by their logarithms, which float32 does not round to 0.
 */
import {
  add,
  gatherND,
  greater,
  log,
  max,
  mul,
  neg,
  reduceMax,
  reduceMean,
  sub,
  topK,
  where,
} from '../../graph/operators/index.ts';
import { inScope, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { asRow, oneHotRows, positionsOf } from '../positions.ts';
import { clusteredState } from '../token-clusters.ts';
import type { TokenClusters } from '../token-clusters.ts';
import { nearestCentres, tokenDistances } from '../token-distances.ts';
import type { TokenLayout } from '../token-layout.ts';
import { concatStates, splitTokens } from '../token-state.ts';
import type { TokenReducer } from '../token-reducer.ts';
import { excluded } from '../weighted-merge.ts';
import { clusterCounts, clusterKeys } from './cluster-counts.ts';
import type { ClusterCounts } from './cluster-counts.ts';
import { beforeBlock } from './method.ts';
import type { ReductionMethod } from './method.ts';

/** Choices of DPC-KNN. */
export interface DpcKnnOptions {
  readonly clusters: ClusterCounts['clusters'];
  /** k, the token itself counted. */
  readonly neighbours: number;
}

/** DPC-KNN's reducer. */
export function dpcKnn({ clusters, neighbours }: DpcKnnOptions, layout: TokenLayout): TokenReducer {
  return {
    name: 'dpcknn',
    beforeBlock(block, state) {
      const count = clusters[block];
      if (count === undefined) return state;
      return inScope('cluster', () => {
        const { first, rest } = layout.prefix === 0 ? { rest: state } : splitTokens(state, layout.prefix);
        const found = densityPeaks(rest.features, count, neighbours);
        const clustered = { ...clusteredState(rest, found, 1e-6), size: undefined };
        return first === undefined ? clustered : concatStates(first, clustered);
      });
    },
  };
}

/** Clusters of the tokens `x [B, P, C]`. */
function densityPeaks(x: Tensor, count: number, neighbours: number): TokenClusters {
  const [tokens, width] = [sizeAt(x, 1), sizeAt(x, 2)];
  const distances = mul(tokenDistances(x), 1 / Math.sqrt(width));
  const nearest = neg(topK(neg(distances), Math.min(neighbours, tokens), true, 2).values);
  const logDensity = neg(reduceMean(mul(nearest, nearest), [2], true));
  // The largest distance stands for all tokens that are not denser.
  const largest = reduceMax(distances, [1, 2], true);
  const ofDenser = where(greater(asRow(logDensity), logDensity), distances, largest);
  const separation = neg(reduceMax(neg(ofDenser), [2], true));
  const score = add(logDensity, log(max(separation, 1e-7)));
  const centres = topK(score, count, true, 1).indices;
  // A centre is its own, also where another one is equal to it.
  const own = oneHotRows(positionsOf(centres, tokens), tokens);
  const members = nearestCentres(sub(gatherND(distances, centres), mul(own, -excluded)));
  return { members, centres };
}

/** `dpcknn:keep=0.7`. */
export const dpcKnnMethod: ReductionMethod = {
  name: 'dpcknn',
  title: 'DPC-KNN (arXiv 2204.08680)',
  keys: [
    ...clusterKeys,
    {
      name: 'neighbours',
      kind: 'integer',
      meaning: 'nearest tokens that make a density, the token itself counted',
      fallback: 5,
      min: 1,
    },
  ],
  needsClassToken: false,
  mergesOnly: true,
  knob: { key: 'keep', min: () => 0.01, max: () => 1, rising: true },
  build(parameters, network) {
    const { clusters, tokensPerBlock } = clusterCounts('dpcknn', parameters, network);
    return {
      reducer: dpcKnn({ clusters, neighbours: parameters.number('neighbours') }, network.layout),
      tokensPerBlock,
      work: beforeBlock,
    };
  },
};
