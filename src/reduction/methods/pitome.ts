/**
 * PiToMe, "Accelerating Transformers with Spectrum-Preserving Token Merging" (arXiv 2405.16148; hchautran/PiToMe). In every block, between
 * attention and MLP: a patch token's energy is the mean, over all patch tokens, of ELU(cosine of keys − margin), margin 0.75·(1 − block/depth);
 * tokens in crowds have much of it. Patch tokens are ranked by energy, and `r = ⌊T − T·ratio⌋` of the T go.
 * First half of the blocks: even ranks propose their most similar odd rank, and the `r` most similar pairs merge; then come the other
 * even ranks by similarity, and the odd ones. Second half: only the `2r` of most energy take part, every even rank of them joins its most
 * similar odd rank, several may share one; the others, by energy, come first. Merging is weighted by size, attention is not.
 * Ranks never move a token: they only become masks and orders over the tokens where they are.
 */
import {
  add,
  argMax,
  elu,
  gatherND,
  matMul,
  max,
  mul,
  reduceMax,
  reshape,
  sub,
  topK,
  transpose,
} from '../../graph/operators/index.ts';
import { dimensionAt, inScope, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { lookUp, perPosition, positionsOf } from '../positions.ts';
import { excluded, keySimilarityMetric, mergeByRank, mostSimilar, sourceFlags } from '../weighted-merge.ts';
import type { Merging } from '../weighted-merge.ts';
import type { TokenReducer } from '../token-reducer.ts';
import type { ReductionMethod } from './method.ts';

/** Choices of PiToMe. */
export interface PitomeOptions {
  /** Share of the patch tokens that every block keeps, at least 0.5. */
  readonly ratio: number;
  /** Number of blocks. */
  readonly depth: number;
}

/** Patch tokens that go of `tokens`, the class token counted. */
function removedTokens(tokens: number, ratio: number): number {
  const patches = tokens - 1;
  return Math.min(Math.floor(patches - patches * ratio), Math.floor(patches / 2));
}

/** Tokens that are left after each block. */
export function pitomeTokens({ ratio, depth }: PitomeOptions, tokens: number): number[] {
  let left = tokens;
  return Array.from({ length: depth }, () => (left -= removedTokens(left, ratio)));
}

/** What a half of the blocks makes of cosines and ranks. */
interface Matching {
  readonly merging: Merging;
  readonly order: Tensor;
}

/** PiToMe's reducer. */
export function pitome({ ratio, depth }: PitomeOptions): TokenReducer {
  return {
    name: 'pitome',
    afterAttention(block, state, view) {
      const tokens = sizeAt(state.features, 1);
      const removed = removedTokens(tokens, ratio);
      if (removed < 1) return state;
      const metric = inScope('match', () => keySimilarityMetric(view));
      const cosine = inScope('match', () => matMul(metric, transpose(metric, [0, 2, 1])));
      const byEnergy = inScope('energy', () => energyRanks(cosine, 0.75 - (0.75 * block) / depth));
      const { merging, order } = inScope('match', () =>
        block < Math.floor(depth / 2)
          ? mergeBestPairs(cosine, byEnergy, removed)
          : mergeMostEnergetic(cosine, byEnergy, removed),
      );
      return inScope('merge', () => mergeByRank(state, order, tokens - removed, merging));
    },
  };
}

/** Rank by energy of every token, int64 `[B, N, 1]`: 0 is the class token, 1 the patch token of most energy. */
function energyRanks(cosine: Tensor, margin: number): Tensor {
  const tokens = sizeAt(cosine, 1);
  const patches = perPosition(tokens, (position) => (position === 0 ? 0 : 1 / (tokens - 1)));
  const energy = matMul(elu(sub(cosine, margin)), patches);
  const classFirst = perPosition(tokens, (position) => (position === 0 ? 10 : 0));
  const order = topK(add(energy, classFirst), tokens, true, 1).indices;
  // The inverse of a permutation is its own order.
  return topK(positionsOf(order, tokens), tokens, false, 1).indices;
}

const isEven = (rank: number): boolean => rank > 0 && rank % 2 === 1;
const isOdd = (rank: number): boolean => rank > 0 && rank % 2 === 0;

/** Cosines `[B, N, N]` with all but some columns, chosen by rank, out of reach. */
function amongColumns(rows: Tensor, ranks: Tensor, chosen: (rank: number) => boolean): Tensor {
  const [batch, tokens] = [dimensionAt(ranks, 0), sizeAt(ranks, 1)];
  const bias = lookUp(ranks, tokens, (rank) => (chosen(rank) ? 0 : excluded));
  return add(rows, reshape(bias, [batch, 1, tokens]));
}

/** First half: of the even ranks (the first, third, … token by energy) those with the best partners. */
function mergeBestPairs(cosine: Tensor, ranks: Tensor, removed: number): Matching {
  const tokens = sizeAt(ranks, 1);
  const allowed = amongColumns(cosine, ranks, isOdd);
  const onlyEven = lookUp(ranks, tokens, (rank) => (isEven(rank) ? 0 : excluded));
  const best = add(reduceMax(allowed, [2], true), onlyEven);
  const sources = topK(best, removed, true, 1).indices;
  const destinations = positionsOf(mostSimilar(allowed, sources), tokens);
  // Class token, the other even ranks by similarity (which is within ±1), odd ranks in order; last those that go.
  const place = lookUp(ranks, tokens, (rank) => {
    if (rank === 0) return 9;
    return isEven(rank) ? 4 : 1 - rank / tokens;
  });
  const order = sub(add(place, max(best, -1)), mul(sourceFlags(sources, tokens), 20));
  return { merging: { sources, destinations }, order };
}

/** Second half: of the `2r` tokens of most energy every even rank joins an odd one. */
function mergeMostEnergetic(cosine: Tensor, ranks: Tensor, removed: number): Matching {
  const tokens = sizeAt(ranks, 1);
  const takesPart = (rank: number): boolean => rank <= 2 * removed;
  const goes = lookUp(ranks, tokens, (rank) => (isEven(rank) && takesPart(rank) ? tokens - rank : 0));
  const sources = topK(goes, removed, true, 1).indices;
  const allowed = amongColumns(gatherND(cosine, sources), ranks, (rank) => isOdd(rank) && takesPart(rank));
  const destinations = positionsOf(argMax(allowed, 2, true), tokens);
  // Class token, those that take no part by energy, odd ranks in order; last those that go.
  const order = lookUp(ranks, tokens, (rank) => {
    if (rank === 0) return 3 * tokens;
    if (!takesPart(rank)) return 2 * tokens - rank;
    return isOdd(rank) ? tokens - rank : -rank;
  });
  return { merging: { sources, destinations }, order };
}

/** `pitome:ratio=0.925`. */
export const pitomeMethod: ReductionMethod = {
  name: 'pitome',
  title: 'PiToMe (arXiv 2405.16148)',
  keys: [
    {
      name: 'ratio',
      kind: 'number',
      meaning: 'share of patch tokens that every block keeps',
      fallback: 0.925,
      min: 0.5,
      max: 1,
    },
  ],
  needsClassToken: true,
  knob: { key: 'ratio', min: 0.5, max: () => 1, rising: true },
  build(parameters, { depth, tokens }) {
    const options: PitomeOptions = { ratio: parameters.number('ratio'), depth };
    return { reducer: pitome(options), tokensPerBlock: pitomeTokens(options, tokens) };
  },
};
