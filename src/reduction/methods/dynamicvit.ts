/**
 * DynamicViT (arXiv 2106.02034; raoyongming/DynamicViT). Before three blocks a small network looks at every patch token and says how much it
 * is worth keeping. Half of what it sees is the token itself, half the mean over all tokens that are left; three layers turn that into a
 * score for staying and one for going. The best `⌊keep^s·patches⌋` stay in stage s, in descending order of their scores, the class token
 * before them; the others are gone for good. The authors' blocks are 3, 6 and 9 of 12 (counted from 0).
 * Training: tokens are masked, not removed; each stays or goes by its scores and Gumbel noise, hard forward and soft backward
 * (`keep-decisions.ts`). Predictors and network learn together: cross-entropy, the share of kept tokens, and, with the uncompressed network as
 * teacher, its answers and its tokens. Predictors learn a hundred times faster than the network, as in the authors' code.
 */
import { concat, expandLike, gelu, mul, slice, split, sub, topK } from '../../graph/operators/index.ts';
import { inScope, input, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { layerNorm } from '../../nn/layer-norm.ts';
import { linear, linearParameters } from '../../nn/linear.ts';
import type { Parameters as NetworkParameters } from '../../nn/parameters.ts';
import { gatherTokens } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import type { TokenReducer } from '../token-reducer.ts';
import { attendMasked, columnLike, decide, decisionTerms, meanOfLive } from './keep-decisions.ts';
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

/** Layer norms of predictors; PyTorch's default. */
const epsilon = 1e-5;

/** Above any score: the class token comes first. */
const alwaysFirst = 1e4;

/** Shares of all patch tokens that are left after each stage. */
const sharesOf = ({ keep, blocks }: DynamicVitOptions): number[] => blocks.map((_, stage) => keep ** (stage + 1));

/** Patch tokens that are left after each stage, at least one. */
export function keptPatches(patches: number, shares: readonly number[]): number[] {
  return shares.map((share) => Math.max(1, Math.floor(patches * share)));
}

const nameOf = (block: number): string => `${learnedPrefix}dynamicvit.${block}`;

/** Widths of the predictor's layers. */
function predictorWidths(width: number): { local: number; hidden: number; narrow: number } {
  return { local: Math.floor(width / 2), hidden: Math.floor(width / 2), narrow: Math.max(1, Math.floor(width / 4)) };
}

/** Parameters of the predictor before a block: `norm`, `input`, `first`, `second`, `output`. */
function predictorParameters(block: number, width: number): LearnedParameter[] {
  const name = nameOf(block);
  const { hidden, narrow } = predictorWidths(width);
  const layers: readonly (readonly [string, number, number])[] = [
    ['input', width, width],
    ['first', width, hidden],
    ['second', hidden, narrow],
    ['output', narrow, 2],
  ];
  const shapes: (readonly [string, readonly number[]])[] = [
    [`${name}.norm.weight`, [width]],
    [`${name}.norm.bias`, [width]],
    ...layers.flatMap(([layer, inputs, outputs]): (readonly [string, readonly number[]])[] => [
      [`${name}.${layer}.weight`, [outputs, inputs]],
      [`${name}.${layer}.bias`, [outputs]],
    ]),
  ];
  return shapes.map(([parameter, shape]) => ({ name: parameter, shape, learningRateFactor: 100 }));
}

/**
 * By how much the score for staying exceeds that for going, `[B, N, 1]`: the logarithm of the odds.
 * @param tokens patch tokens `[B, N, C]`
 * @param mask `[B, N, 1]`: those that are there; without it all of them.
 */
function predict(tokens: Tensor, mask: Tensor | undefined, block: number, parameters: NetworkParameters): Tensor {
  const name = nameOf(block);
  const width = sizeAt(tokens, 2);
  const { local, hidden, narrow } = predictorWidths(width);
  const layer = (x: Tensor, part: string, inputs: number, outputs: number): Tensor =>
    linear(x, linearParameters(parameters, `${name}.${part}`, inputs, outputs));
  const embedded = gelu(layer(layerNorm(tokens, parameters, `${name}.norm`, width, epsilon), 'input', width, width));
  const [own, others] = split(embedded, 2, [local, width - local]) as [Tensor, Tensor];
  const joined = concat([own, expandLike(meanOfLive(others, mask), others)], 2);
  const first = gelu(layer(joined, 'first', width, hidden));
  const second = gelu(layer(first, 'second', hidden, narrow));
  const [staying, going] = split(layer(second, 'output', narrow, 2), 2, [1, 1]) as [Tensor, Tensor];
  return sub(staying, going);
}

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
          const score = inScope('predictor', () => predict(slice(state.features, 1, 1), undefined, block, parameters));
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
  blocks.flatMap((block) => predictorParameters(block, width));

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
        const score = predict(slice(state.features, 1, 1), before, block, parameters);
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
