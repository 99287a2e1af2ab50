/**
 * Evo-ViT (arXiv 2108.01390; YifanXu74/Evo-ViT), as its authors' DeiT code runs it. Two stages
 * begin at the third and two thirds of the depth (blocks 4 and 8 of 12, counted from 0). There
 * patches are sorted by how much the class token has attended to them, summed over heads. The best
 * `⌊keep·patches⌋` go through the stage's blocks. The others stand aside as they are. They come
 * back behind the best ones when the stage is over, so that none is lost for good. A stage sorts by
 * a running mean of attention over blocks. Within a stage a block's own attention makes up half of
 * it. Before the first stage the mean is the last block's attention alone. A patch that stands
 * aside keeps its value. The paper also updates those by one token that represents them; the
 * authors' code for DeiT leaves that out, as here. Nothing new is learned: the network itself is
 * trained with tokens standing aside. Its head reads the class token, as before; the authors train
 * a second head on the mean of patches. After the last stage nobody reads the others, so they need
 * not come back.
 */
import { add, mul } from '../../graph/operators/index.ts';
import { inScope, sizeAt, stopGradient } from '../../graph/tensor.ts';
import { tokensOf } from '../network-shape.ts';
import { prefixColumn } from '../positions.ts';
import { sumOverHeads } from '../sum-over-heads.ts';
import { prefixBonus } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import type { TokenReducer } from '../token-reducer.ts';
import { concatStates, splitTokens, withTraveller } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import { sortTokens } from '../sort.ts';
import { beforeBlock } from './method.ts';
import type { ReductionMethod } from './method.ts';
import { ascendingBlocks, featuresOf } from './per-block.ts';

/** Choices of Evo-ViT. */
export interface EvoVitOptions {
  /** Share of patches that goes through the blocks of a stage. */
  readonly keep: number;
  /** First blocks of the stages, ascending. */
  readonly blocks: readonly number[];
}

/** Share of a block's own attention in the running mean, within a stage. */
const newShare = 0.5;

/** Name of what remembers the attention to a token, `[B, N, 1]`. */
const attention = 'evovit.attention';

/** Tokens that go through a stage, prefix tokens counted. */
const keptTokens = (tokens: number, keep: number, { prefix }: TokenLayout): number =>
  prefix + Math.max(1, Math.floor((tokens - prefix) * keep));

/** Evo-ViT's reducer. */
export function evoVit({ keep, blocks }: EvoVitOptions, layout: TokenLayout): TokenReducer {
  const [start = 0] = blocks;
  const last = blocks.at(-1) ?? 0;
  return {
    name: 'evovit',
    beforeBlock(block, state) {
      if (!blocks.includes(block)) return state;
      const whole = inScope('return', () => comeBack(state));
      const tokens = sizeAt(whole.features, 1);
      const kept = keptTokens(tokens, keep, layout);
      const score = whole.travellers?.[attention]?.value;
      if (kept >= tokens || score === undefined) return whole;
      return inScope('sort', () => {
        const first = prefixColumn(layout, tokens, (position) => prefixBonus(layout.prefix, position));
        const parts = splitTokens(sortTokens(whole, add(score, first)), kept);
        return { ...parts.first, aside: parts.rest };
      });
    },
    afterAttention(block, state, view) {
      // Only attention that a later stage sorts by is kept. Before the first stage that is the
      // attention of the block right before it.
      if (keep === 1 || block >= last || block < start - 1) return state;
      const own = inScope('attention', () => stopGradient(sumOverHeads(view.classAttention())));
      const before = block < start ? undefined : state.travellers?.[attention]?.value;
      const mean = before === undefined ? own : add(mul(own, newShare), mul(before, 1 - newShare));
      return withTraveller(state, attention, mean, 'destination');
    },
  };
}

/** The tokens of a state, then those that stood aside. */
function comeBack({ aside, ...state }: TokenState): TokenState {
  return aside === undefined ? state : concatStates(state, aside);
}

/** `evovit:keep=0.5`. */
export const evoVitMethod: ReductionMethod = {
  name: 'evovit',
  title: 'Evo-ViT (arXiv 2108.01390)',
  keys: [
    {
      name: 'keep',
      kind: 'number',
      meaning: 'share of patch tokens that goes through the blocks of a stage',
      fallback: 0.5,
      min: 0.01,
      max: 1,
    },
    {
      name: 'blocks',
      kind: 'list',
      meaning: 'first blocks of the stages, counted from 0',
      fallback: ({ depth }) => [Math.max(1, Math.floor(depth / 3)), Math.max(1, Math.floor((2 * depth) / 3))],
      min: 1,
    },
  ],
  needsClassToken: true,
  pictureRemark: 'Patches that are not kept stand aside: they come back where the next stage chooses, and in the end.',
  trained: true,
  build(parameters, network) {
    featuresOf('evovit', network);
    const blocks = ascendingBlocks('evovit', parameters.numbers('blocks'), network);
    const options: EvoVitOptions = { keep: parameters.number('keep'), blocks };
    const reducer = evoVit(options, network.layout);
    const tokens = tokensOf(network);
    const kept = Math.min(tokens, keptTokens(tokens, options.keep, network.layout));
    const [start = network.depth] = blocks;
    return {
      reducer,
      tokensPerBlock: Array.from({ length: network.depth }, (_, block) => (block < start ? tokens : kept)),
      work: beforeBlock,
      learned: {
        parameters: [],
        trainsNetwork: true,
        training: () => ({ reducer, noise: [], terms: () => [] }),
      },
    };
  },
};
