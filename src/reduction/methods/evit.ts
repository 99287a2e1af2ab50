/**
 * EViT, "Not All Patches are What You Need" (arXiv 2202.07800; youweiliang/evit), without its
 * training. In three blocks, between attention and MLP, patch tokens are ranked by the class
 * token's attention, averaged over heads. The best `⌈rate·patches⌉` stay, in descending order. With
 * fusion the others become one more token, their sum weighted by that attention (not normalised),
 * at the end. The authors' blocks are 3, 6 and 9 of 12 (counted from 0), 6, 12 and 18 of 24, 9, 18
 * and 27 of 32. Without fusion pruned tokens need not be queries: they are found before attention
 * where that pays, with the same result.
 */
import { matMul, reshape, slice, topK } from '../../graph/operators/index.ts';
import { dimensionAt, inScope, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { fusedTravellers } from '../fused-token.ts';
import { importance } from '../importance.ts';
import { tokenCount } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import { concatStates, gatherTokens, splitTokens } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import type { BlockView, TokenReducer } from '../token-reducer.ts';
import { prunesBeforeAttention } from './diffrate.ts';
import { blocksKey, stageBlocks } from './per-block.ts';
import type { ReductionMethod } from './method.ts';

/** Choices of EViT. */
export interface EvitOptions {
  /** Share of the patch tokens that stays in each of the blocks. */
  readonly rate: number;
  readonly blocks: readonly number[];
  /** Keep the others as one token. */
  readonly fusion: boolean;
}

/** How many of `tokens` tokens stay, prefix tokens counted. */
const keptTokens = (tokens: number, rate: number, { prefix }: TokenLayout): number =>
  prefix + Math.ceil(rate * (tokens - prefix));

/** Tokens that are left after each of `depth` blocks. */
export function evitTokens({ rate, blocks, fusion }: EvitOptions, depth: number, layout: TokenLayout): number[] {
  let left = tokenCount(layout);
  return Array.from({ length: depth }, (_, block) => {
    const kept = keptTokens(left, rate, layout);
    if (blocks.includes(block) && kept < left) left = kept + (fusion ? 1 : 0);
    return left;
  });
}

/** EViT's reducer. */
export function evit({ rate, blocks, fusion }: EvitOptions, layout: TokenLayout): TokenReducer {
  const order = (view: BlockView, count: number) =>
    topK(importance('class-attention', view, layout, 0), count, true, 1);
  return {
    name: 'evit',
    selectQueries(block, state, view) {
      const tokens = sizeAt(state.features, 1);
      const kept = keptTokens(tokens, rate, layout);
      if (fusion || !blocks.includes(block) || kept === tokens) return undefined;
      if (!prunesBeforeAttention(tokens, kept, sizeAt(state.features, 2))) return undefined;
      return inScope('sort', () => ({ indices: order(view, kept).indices }));
    },
    afterAttention(block, state, view) {
      const tokens = sizeAt(view.keys, 2);
      const kept = keptTokens(tokens, rate, layout);
      if (!blocks.includes(block) || kept === tokens || sizeAt(state.features, 1) < tokens) return state;
      if (!fusion) return inScope('sort', () => gatherTokens(state, order(view, kept).indices));
      const ranked = inScope('sort', () => order(view, tokens));
      const sorted = inScope('sort', () => gatherTokens(state, ranked.indices));
      return inScope('fuse', () => fuse(sorted, ranked.values, kept));
    },
  };
}

/** The first `kept` tokens, and the sum of the others weighted by `attention [B, N, 1]`. */
function fuse(state: TokenState, attention: Tensor, kept: number): TokenState {
  const { first, rest } = splitTokens(state, kept);
  const others = sizeAt(rest.features, 1);
  const weights = reshape(slice(attention, 1, kept), [dimensionAt(attention, 0), 1, others]);
  const travellers = fusedTravellers(rest.travellers, weights);
  return concatStates(first, { features: matMul(weights, rest.features), travellers });
}

/** `evit:rate=0.7`, `evit:rate=0.5,fusion=true`. */
export const evitMethod: ReductionMethod = {
  name: 'evit',
  title: 'EViT (arXiv 2202.07800), without its training',
  keys: [
    {
      name: 'rate',
      kind: 'number',
      meaning: 'share of patch tokens kept in each of the blocks',
      fallback: 0.7,
      min: 0.01,
      max: 1,
    },
    { name: 'fusion', kind: 'flag', meaning: 'keep the others as one token', fallback: false },
    blocksKey,
  ],
  needsClassToken: true,
  pictureRemark: 'With fusion, all that is not kept is one token.',
  knob: { key: 'rate', min: () => 0.01, max: () => 1, rising: true },
  build(parameters, network) {
    const options: EvitOptions = {
      rate: parameters.number('rate'),
      fusion: parameters.flag('fusion'),
      blocks: stageBlocks('evit', parameters.numbers('blocks'), network),
    };
    const { depth, layout } = network;
    return { reducer: evit(options, layout), tokensPerBlock: evitTokens(options, depth, layout) };
  },
};
