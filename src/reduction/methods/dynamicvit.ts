/**
 * DynamicViT (arXiv 2106.02034; raoyongming/DynamicViT). Before three blocks a small network
 * (`keep-predictor.ts`) says of every patch token how much it is worth keeping. The best
 * `⌊keep^s·patches⌋` stay in stage s, in descending order of their scores, prefix tokens before
 * them. The others are gone for good. The authors' blocks are 3, 6 and 9 of 12 (counted from 0).
 * Training masks tokens instead of removing them. Scores and Gumbel noise decide which tokens stay,
 * hard forward and soft backward (`keep-decisions.ts`). Predictors and network learn together.
 * Their loss is the cross-entropy and a term for the share of kept tokens. With the uncompressed
 * network as teacher, its answers and its tokens join the loss.
 */
import { mul, topK } from '../../graph/operators/index.ts';
import { inScope, input, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters as NetworkParameters } from '../../nn/parameters.ts';
import { tokensOf } from '../network-shape.ts';
import { gridOf, gridTokens } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import { gatherTokens } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import type { TokenReducer } from '../token-reducer.ts';
import { attendMasked, behindPrefix, decide, decisionTerms, keptPatches, rankBehindPrefix } from './keep-decisions.ts';
import { predictKeeping, predictorParameters } from './keep-predictor.ts';
import { learnedPrefix, requireLearned } from './learned.ts';
import type { LearnedMethod, LearnedParameter, TrainingForm } from './learned.ts';
import { beforeBlock } from './method.ts';
import type { ReductionMethod } from './method.ts';
import { ascendingBlocks, blocksKey, featuresOf } from './per-block.ts';

/** Choices of DynamicViT. */
export interface DynamicVitOptions {
  /** Share of patch tokens that stays in each stage, out of those that the stage before left. */
  readonly keep: number;
  /** Blocks with a predictor before them, ascending. */
  readonly blocks: readonly number[];
  /** Width C of the network. */
  readonly width: number;
}

/** Shares of all patch tokens that are left after each stage. */
const sharesOf = ({ keep, blocks }: DynamicVitOptions): number[] => blocks.map((_, stage) => keep ** (stage + 1));

const nameOf = (block: number): string => `${learnedPrefix}dynamicvit.${block}`;

/** DynamicViT's reducer, once it knows the network's parameters. */
export function dynamicVit(options: DynamicVitOptions, layout: TokenLayout): TokenReducer {
  const kept = keptPatches(gridTokens(layout), sharesOf(options));
  const { prefix } = layout;
  return {
    name: 'dynamicvit',
    withParameters(parameters) {
      requireLearned('dynamicvit', 'predictors', parametersOf(options), parameters);
      return {
        name: 'dynamicvit',
        beforeBlock(block, state) {
          const staying = kept[options.blocks.indexOf(block)];
          const patches = sizeAt(state.features, 1) - prefix;
          if (staying === undefined || staying >= patches) return state;
          const score = inScope('predictor', () =>
            predictKeeping(gridOf(state.features, layout), undefined, nameOf(block), parameters),
          );
          return inScope('sort', () => {
            const rank = rankBehindPrefix(state.features, layout, score);
            return gatherTokens(state, topK(rank, prefix + staying, true, 1).indices);
          });
        },
      };
    },
  };
}

const parametersOf = ({ blocks, width }: DynamicVitOptions): LearnedParameter[] =>
  blocks.flatMap((block) => predictorParameters(nameOf(block), width));

/** What is trained, and how. */
export function dynamicVitTraining(options: DynamicVitOptions, layout: TokenLayout): LearnedMethod {
  return { parameters: parametersOf(options), trainsNetwork: true, training: () => trainingForm(options, layout) };
}

function trainingForm(options: DynamicVitOptions, layout: TokenLayout): TrainingForm {
  const { blocks } = options;
  const patches = gridTokens(layout);
  const noise = blocks.map((block) => input(`${nameOf(block)}.noise`, 'float32', ['batch', patches, 1]));
  const decisions: Tensor[] = [];
  const masked = (parameters: NetworkParameters): TokenReducer => ({
    name: 'dynamicvit, masked',
    needsEveryQuery: true,
    beforeBlock(block, state): TokenState {
      const own = noise[blocks.indexOf(block)];
      if (own === undefined) return state;
      return inScope('predictor', () => {
        const before = decisions.at(-1);
        const score = predictKeeping(gridOf(state.features, layout), before, nameOf(block), parameters);
        const drawn = decide(score, own);
        const decision = before === undefined ? drawn : mul(drawn, before);
        decisions.push(decision);
        return { ...state, mask: behindPrefix(state.features, layout, 1, decision) };
      });
    },
    attend: (_, state, queries, keys, values) => attendMasked(state, queries, keys, values),
  });
  return {
    reducer: { name: 'dynamicvit, masked', needsEveryQuery: true, withParameters: masked },
    noise,
    terms: (student, teacher) =>
      decisionTerms({ decisions, shares: sharesOf(options), perImage: true, layout }, student, teacher()),
  };
}

/** `dynamicvit:keep=0.7`. */
export const dynamicVitMethod: ReductionMethod = {
  name: 'dynamicvit',
  title: 'DynamicViT (arXiv 2106.02034)',
  keys: [
    {
      name: 'keep',
      kind: 'number',
      meaning: 'share of patch tokens that each stage keeps of those before it',
      fallback: 0.7,
      min: 0.01,
      max: 1,
    },
    blocksKey,
  ],
  needsClassToken: true,
  trained: true,
  build(parameters, network) {
    const { width } = featuresOf('dynamicvit', network);
    const blocks = ascendingBlocks('dynamicvit', parameters.numbers('blocks'), network);
    const { layout } = network;
    const options = { keep: parameters.number('keep'), blocks, width };
    const kept = keptPatches(gridTokens(layout), sharesOf(options));
    const tokensPerBlock = Array.from({ length: network.depth }, (_, block) => {
      const stage = blocks.findLastIndex((own) => own <= block);
      return stage < 0 ? tokensOf(network) : layout.prefix + (kept[stage] ?? gridTokens(layout));
    });
    return {
      reducer: dynamicVit(options, layout),
      tokensPerBlock,
      work: beforeBlock,
      learned: dynamicVitTraining(options, layout),
    };
  },
};
