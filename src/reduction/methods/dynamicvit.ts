/**
 * DynamicViT (arXiv 2106.02034; raoyongming/DynamicViT). Before three blocks a small network looks at every patch token and says how much it
 * is worth keeping (`keep-predictor.ts`). The best `⌊keep^s·patches⌋` stay in stage s, in descending order of their scores, the class token
 * before them; the others are gone for good. The authors' blocks are 3, 6 and 9 of 12 (counted from 0).
 * Training: tokens are masked, not removed; each stays or goes by its scores and Gumbel noise, hard forward and soft backward
 * (`keep-decisions.ts`). Predictors and network learn together: cross-entropy, the share of kept tokens, and, with the uncompressed network as
 * teacher, its answers and its tokens.
 */
import { concat, mul, slice, topK } from '../../graph/operators/index.ts';
import { inScope, input, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters as NetworkParameters } from '../../nn/parameters.ts';
import { gatherTokens } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import type { TokenReducer } from '../token-reducer.ts';
import { attendMasked, columnLike, decide, decisionTerms, keptPatches } from './keep-decisions.ts';
import { predictKeeping, predictorParameters } from './keep-predictor.ts';
import { learnedPrefix, requireLearned } from './learned.ts';
import type { LearnedMethod, LearnedParameter, TrainingForm } from './learned.ts';
import type { ReductionMethod } from './method.ts';
import { ascendingBlocks, blocksKey, featuresOf } from './per-block.ts';

/** Choices of DynamicViT. */
export interface DynamicVitOptions {
  /** Share of patch tokens that stays in each stage, of those that the stage before left. */
  readonly keep: number;
  /** Blocks with a predictor before them, ascending. */
  readonly blocks: readonly number[];
  /** Patch tokens of the network. */
  readonly patches: number;
  /** Width C of the network. */
  readonly width: number;
}

/** Above any score: the class token comes first. */
const alwaysFirst = 1e4;

/** Shares of all patch tokens that are left after each stage. */
const sharesOf = ({ keep, blocks }: DynamicVitOptions): number[] => blocks.map((_, stage) => keep ** (stage + 1));

const nameOf = (block: number): string => `${learnedPrefix}dynamicvit.${block}`;

/** DynamicViT's reducer, once it knows the network's parameters. */
export function dynamicVit(options: DynamicVitOptions): TokenReducer {
  const kept = keptPatches(options.patches, sharesOf(options));
  return {
    name: 'dynamicvit',
    withParameters(parameters) {
      requireLearned('dynamicvit', 'predictors', parametersOf(options), parameters);
      return {
        name: 'dynamicvit',
        beforeBlock(block, state) {
          const staying = kept[options.blocks.indexOf(block)];
          const patches = sizeAt(state.features, 1) - 1;
          if (staying === undefined || staying >= patches) return state;
          const score = inScope('predictor', () =>
            predictKeeping(slice(state.features, 1, 1), undefined, nameOf(block), parameters),
          );
          return inScope('sort', () => {
            const rank = concat([columnLike(state.features, 1, alwaysFirst), score], 1);
            return gatherTokens(state, topK(rank, staying + 1, true, 1).indices);
          });
        },
      };
    },
  };
}

const parametersOf = ({ blocks, width }: DynamicVitOptions): LearnedParameter[] =>
  blocks.flatMap((block) => predictorParameters(nameOf(block), width));

/** What is trained, and how. */
export function dynamicVitTraining(options: DynamicVitOptions): LearnedMethod {
  return { parameters: parametersOf(options), trainsNetwork: true, training: () => trainingForm(options) };
}

function trainingForm(options: DynamicVitOptions): TrainingForm {
  const { blocks, patches } = options;
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
        const score = predictKeeping(slice(state.features, 1, 1), before, nameOf(block), parameters);
        const drawn = decide(score, own);
        const decision = before === undefined ? drawn : mul(drawn, before);
        decisions.push(decision);
        return { ...state, mask: concat([columnLike(state.features, 1, 1), decision], 1) };
      });
    },
    attend: (_, state, queries, keys, values) => attendMasked(state, queries, keys, values),
  });
  return {
    reducer: { name: 'dynamicvit, masked', needsEveryQuery: true, withParameters: masked },
    noise,
    terms: (student, teacher) => decisionTerms(decisions, sharesOf(options), true, student, teacher()),
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
    const patches = network.tokens - 1;
    const options = { keep: parameters.number('keep'), blocks, patches, width };
    const kept = keptPatches(patches, sharesOf(options));
    const tokensPerBlock = Array.from({ length: network.depth }, (_, block) => {
      const stage = blocks.findLastIndex((own) => own <= block);
      return stage < 0 ? network.tokens : 1 + (kept[stage] ?? patches);
    });
    return {
      reducer: dynamicVit(options),
      tokensPerBlock,
      reducesBeforeBlock: true,
      learned: dynamicVitTraining(options),
    };
  },
};
