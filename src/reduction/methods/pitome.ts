/**
 * PiToMe, "Accelerating Transformers with Spectrum-Preserving Token Merging" (arXiv 2405.16148;
 * hchautran/PiToMe). It acts in every block, between attention and MLP. A patch token's energy is
 * the mean, over all patch tokens, of ELU(cosine of keys − margin), margin 0.75·(1 − block/depth).
 * Tokens that many others resemble have much of it. Patch tokens are ranked by energy, and
 * `r = ⌊T − T·ratio⌋` of the T go. In the first half of the blocks even ranks propose their most
 * similar odd rank, and the `r` most similar pairs merge. The other even ranks follow by
 * similarity, and then the odd ones. In the second half only the `2r` tokens of most energy take
 * part. Each even rank of them joins its most similar odd rank, which several may share. The other
 * tokens come first, by energy. Merging is weighted by size, attention is not. Prefix tokens take
 * no part; there may be none.
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
import { afterChoosing, lookUp, perPosition, prefixColumn } from '../positions.ts';
import { perToken, tokenCount } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
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

/** How many patch tokens go of `tokens` tokens, prefix tokens counted. */
function removedTokens(tokens: number, ratio: number, { prefix }: TokenLayout): number {
  const patches = tokens - prefix;
  return Math.min(Math.floor(patches - patches * ratio), Math.floor(patches / 2));
}

/** Tokens that are left after each block. */
export function pitomeTokens({ ratio, depth }: PitomeOptions, layout: TokenLayout): number[] {
  let left = tokenCount(layout);
  return Array.from({ length: depth }, () => (left -= removedTokens(left, ratio, layout)));
}

/** PiToMe's reducer. */
export function pitome({ ratio, depth }: PitomeOptions, layout: TokenLayout): TokenReducer {
  return {
    name: 'pitome',
    afterAttention(block, state, view) {
      const removed = removedTokens(sizeAt(state.features, 1), ratio, layout);
      if (removed < 1) return state;
      const metric = inScope('match', () => keySimilarityMetric(view));
      const ranked = inScope('energy', () => byEnergy(metric, layout, 0.75 - (0.75 * block) / depth));
      const match = block < Math.floor(depth / 2) ? matchBestPairs : matchMostEnergetic;
      const { kept, sources, places } = inScope('match', () => match({ state, metric, ranked, layout }, removed));
      return inScope('merge', () => mergePlaced(kept, sources, places));
    },
  };
}

/**
 * Tokens by rank, int64 `[B, N, 1]`: prefix tokens, then patch tokens from the most energy to the
 * least. With `m = min(cosine, margin)`,
 * `ELU(cosine − margin) = (cosine − m) + (exp(m − margin) − 1)`. The mean of the first is a product
 * of small matrices. Backends have a fast kernel for exponentials, but none for ELU. The 1 changes
 * no order.
 */
function byEnergy(metric: Tensor, layout: TokenLayout, margin: number): Tensor {
  const tokens = sizeAt(metric, 1);
  const { prefix } = layout;
  const patches = (value: number): Tensor =>
    perToken(layout, tokens, { prefix: () => 0, grid: () => value / (tokens - prefix) });
  const below = clip(cosines(metric, metric), margin);
  const meanCosine = matMul(metric, matMul(transpose(metric, [0, 2, 1]), patches(1)));
  const energy = add(sub(meanCosine, matMul(below, patches(1))), matMul(exp(below), patches(Math.exp(-margin))));
  // Energies are within 3 of each other.
  const ranked =
    prefix === 0
      ? energy
      : add(
          energy,
          prefixColumn(layout, tokens, (position) => 10 * (prefix - position)),
        );
  return topK(ranked, tokens, true, 1).indices;
}

/** What a half of the blocks decides by. */
interface RankedTokens {
  readonly state: TokenState;
  /** `[B, N, D]` */
  readonly metric: Tensor;
  /** int64 `[B, N, 1]` */
  readonly ranked: Tensor;
  readonly layout: TokenLayout;
}

/** What it decides. */
interface Matching {
  /** Tokens that stay, in the order of the output, and those that go. */
  readonly kept: TokenState;
  readonly sources: TokenState;
  /** Float `[B, r, 1]`: the place among those that stay of the token that each source joins. */
  readonly places: Tensor;
}

/**
 * First half: those of the even ranks (the first, third, … patch token by energy) go that have the
 * best partners among the odd ones.
 */
function matchBestPairs({ state, metric, ranked, layout }: RankedTokens, removed: number): Matching {
  const tokens = sizeAt(metric, 1);
  const { prefix } = layout;
  const odd = everySecond(prefix + 1, tokens);
  const pairs = tokens - prefix - odd.length;
  const byRank = gatherND(metric, ranked);
  const oddMetric = at(byRank, odd);
  const best = reduceMax(cosines(byRank, oddMetric), [2], true);
  // Prefix tokens, even ranks by similarity (which is within ±1), odd ranks in order.
  const isEven = (rank: number): boolean => rank >= prefix && (rank - prefix) % 2 === 0;
  const evenOnly = perPosition(tokens, (rank) => (isEven(rank) ? 1 : 0));
  const place = perToken(layout, tokens, {
    prefix: (rank) => 8 + prefix - rank,
    grid: (rank) => (isEven(rank) ? 0 : -2 - rank / tokens),
  });
  const scoreByRank = add(mul(best, evenOnly), place);
  // Ranks become positions, so that the wide features move only once, when it is known who stays
  // and who goes.
  const score = scatterElements(scoreByRank, ranked, scoreByRank, 1);
  const patchesOnly =
    prefix === 0
      ? score
      : add(
          score,
          prefixColumn(layout, tokens, () => excluded),
        );
  const going = topK(patchesOnly, removed, true, 1);
  const staying = topK(afterChoosing(score, going), tokens - removed, true, 1);
  const partners = argMax(cosines(gatherND(metric, going.indices), oddMetric), 2, true);
  return {
    kept: gatherTokens(state, staying.indices),
    sources: gatherTokens(state, going.indices),
    places: lookUp(partners, odd.length, (partner) => prefix + pairs - removed + partner),
  };
}

/**
 * Second half: every even rank of the `2r` tokens of most energy joins an odd one; the other tokens
 * come before them.
 */
function matchMostEnergetic({ state, metric, ranked, layout }: RankedTokens, removed: number): Matching {
  const { prefix } = layout;
  const tokens = sizeAt(metric, 1);
  const partaking = prefix + 2 * removed;
  const [even, odd] = [everySecond(prefix, partaking), everySecond(prefix + 1, partaking)];
  const [byRank, inOrder] = [gatherND(metric, ranked), gatherTokens(state, ranked)];
  const partners = argMax(cosines(at(byRank, even), at(byRank, odd)), 2, true);
  return {
    kept: tokensAt(inOrder, [...range(0, prefix), ...range(partaking, tokens), ...odd]),
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
  needsClassToken: false,
  mergesOnly: true,
  knob: { key: 'ratio', min: () => 0.5, max: () => 1, rising: true },
  build(parameters, { depth, layout }) {
    const options: PitomeOptions = { ratio: parameters.number('ratio'), depth };
    return { reducer: pitome(options, layout), tokensPerBlock: pitomeTokens(options, layout) };
  },
};
