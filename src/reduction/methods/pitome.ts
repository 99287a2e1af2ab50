/**
 * PiToMe, "Accelerating Transformers with Spectrum-Preserving Token Merging" (arXiv 2405.16148; hchautran/PiToMe). In every block, between
 * attention and MLP: a patch token's energy is the mean, over all patch tokens, of ELU(cosine of keys − margin), margin 0.75·(1 − block/depth);
 * tokens in crowds have much of it. Patch tokens are ranked by energy, and `r = ⌊T − T·ratio⌋` of the T go.
 * First half of the blocks: even ranks propose their most similar odd rank, and the `r` most similar pairs merge; then come the other
 * even ranks by similarity, and the odd ones. Second half: only the `2r` of most energy take part, every even rank of them joins its most
 * similar odd rank, several may share one; the others, by energy, come first. Merging is weighted by size, attention is not.
 */
import {
  add,
  argMax,
  clip,
  exp,
  gather,
  gatherND,
  matMul,
  mul,
  reduceMax,
  scatterElements,
  sub,
  topK,
  transpose,
} from '../../graph/operators/index.ts';
import { inScope, int64Vector, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { afterChoosing, lookUp, perPosition } from '../positions.ts';
import { gatherTokens, mapState } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import { excluded, keySimilarityMetric, mergePlaced } from '../weighted-merge.ts';
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

/** PiToMe's reducer. */
export function pitome({ ratio, depth }: PitomeOptions): TokenReducer {
  return {
    name: 'pitome',
    afterAttention(block, state, view) {
      const removed = removedTokens(sizeAt(state.features, 1), ratio);
      if (removed < 1) return state;
      const metric = inScope('match', () => keySimilarityMetric(view));
      const ranked = inScope('energy', () => byEnergy(metric, 0.75 - (0.75 * block) / depth));
      const match = block < Math.floor(depth / 2) ? matchBestPairs : matchMostEnergetic;
      const { kept, sources, places } = inScope('match', () => match(state, metric, ranked, removed));
      return inScope('merge', () => mergePlaced(kept, sources, places));
    },
  };
}

/**
 * Tokens by rank, int64 `[B, N, 1]`: the class token, then patch tokens from the most energy to the least.
 * With `m = min(cosine, margin)`, `ELU(cosine − margin) = (cosine − m) + (exp(m − margin) − 1)`: the mean of the first is a product of small
 * matrices, and exponentials are what backends have a fast kernel for, other than of ELU. The 1 changes no order.
 */
function byEnergy(metric: Tensor, margin: number): Tensor {
  const tokens = sizeAt(metric, 1);
  const patches = (value: number): Tensor =>
    perPosition(tokens, (position) => (position === 0 ? 0 : value / (tokens - 1)));
  const below = clip(cosines(metric, metric), margin);
  const meanCosine = matMul(metric, matMul(transpose(metric, [0, 2, 1]), patches(1)));
  const energy = add(sub(meanCosine, matMul(below, patches(1))), matMul(exp(below), patches(Math.exp(-margin))));
  const classFirst = perPosition(tokens, (position) => (position === 0 ? 10 : 0));
  return topK(add(energy, classFirst), tokens, true, 1).indices;
}

/** What a half of the blocks decides. */
interface Matching {
  /** Tokens that stay, in the order of the output, and those that go. */
  readonly kept: TokenState;
  readonly sources: TokenState;
  /** Float `[B, r, 1]`: the place among those that stay of the token that each source joins. */
  readonly places: Tensor;
}

/** First half: of the even ranks (the first, third, … patch token by energy) those with the best partners among the odd ones. */
function matchBestPairs(state: TokenState, metric: Tensor, ranked: Tensor, removed: number): Matching {
  const tokens = sizeAt(metric, 1);
  const odd = everySecond(2, tokens);
  const pairs = tokens - 1 - odd.length;
  const byRank = gatherND(metric, ranked);
  const oddMetric = at(byRank, odd);
  const best = reduceMax(cosines(byRank, oddMetric), [2], true);
  // The class token, even ranks by similarity (which is within ±1), odd ranks in order.
  const isEven = (rank: number): boolean => rank % 2 === 1;
  const evenOnly = perPosition(tokens, (rank) => (isEven(rank) ? 1 : 0));
  const place = perPosition(tokens, (rank) => (rank === 0 ? 9 : isEven(rank) ? 0 : -2 - rank / tokens));
  const scoreByRank = add(mul(best, evenOnly), place);
  // From ranks to positions, so that the wide features move once, when it is known who stays and who goes.
  const score = scatterElements(scoreByRank, ranked, scoreByRank, 1);
  const withoutClass = perPosition(tokens, (position) => (position === 0 ? excluded : 0));
  const going = topK(add(score, withoutClass), removed, true, 1);
  const staying = topK(afterChoosing(score, going), tokens - removed, true, 1);
  const partners = argMax(cosines(gatherND(metric, going.indices), oddMetric), 2, true);
  return {
    kept: gatherTokens(state, staying.indices),
    sources: gatherTokens(state, going.indices),
    places: lookUp(partners, odd.length, (partner) => 1 + pairs - removed + partner),
  };
}

/** Second half: of the `2r` tokens of most energy every even rank joins an odd one; the others come before them. */
function matchMostEnergetic(state: TokenState, metric: Tensor, ranked: Tensor, removed: number): Matching {
  const tokens = sizeAt(metric, 1);
  const partaking = 1 + 2 * removed;
  const [even, odd] = [everySecond(1, partaking), everySecond(2, partaking)];
  const [byRank, inOrder] = [gatherND(metric, ranked), gatherTokens(state, ranked)];
  const partners = argMax(cosines(at(byRank, even), at(byRank, odd)), 2, true);
  return {
    kept: tokensAt(inOrder, [0, ...range(partaking, tokens), ...odd]),
    sources: tokensAt(inOrder, even),
    places: lookUp(partners, removed, (partner) => tokens - 2 * removed + partner),
  };
}

/** Products of every token of one with every token of the other, `[B, P, Q]`. */
const cosines = (one: Tensor, other: Tensor): Tensor => matMul(one, transpose(other, [0, 2, 1]));

/** Tokens at these positions, which are known beforehand. */
const at = (x: Tensor, positions: readonly number[]): Tensor => gather(x, int64Vector(positions), 1);
const tokensAt = (state: TokenState, positions: readonly number[]): TokenState =>
  mapState(state, (x) => at(x, positions));

const range = (start: number, end: number): number[] =>
  Array.from({ length: end - start }, (_, index) => start + index);
const everySecond = (start: number, end: number): number[] =>
  range(start, end).filter((rank) => (rank - start) % 2 === 0);

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
