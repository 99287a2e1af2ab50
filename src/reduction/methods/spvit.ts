/**
 * SPViT, "Faster Vision Transformers via Soft Token Pruning" (arXiv 2112.13890; PeiyanFlying/SPViT). Before three blocks a selector scores the
 * tokens behind the class token: DynamicViT's predictor on each attention head's channels, one set of weights for all heads, and the heads'
 * opinions are averaged with weights that two small layers make of the heads' mean channels. The best patches stay, in descending
 * order; those that go become one more token, their mean weighted by their probability to stay, which is at the end from then on and is seen by
 * later selectors, but not dropped. The authors' blocks are 3, 6 and 9 of 12, shares of all patches .617, .369 and .137.
 * Their code draws decisions at inference as well, so that numbers differ per image; here a stage keeps `⌊share·patches⌋`.
 * Training as DynamicViT's: masked, decisions by Gumbel noise (`keep-decisions.ts`), the share of kept tokens being that of the batch.
 */
import {
  add,
  concat,
  div,
  gatherND,
  gelu,
  matMul,
  max,
  mul,
  reduceMax,
  reduceMean,
  reduceSum,
  reshape,
  sigmoid,
  slice,
  sub,
  topK,
  transpose,
} from '../../graph/operators/index.ts';
import { dimensionAt, inScope, input, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { linear, linearParameters } from '../../nn/linear.ts';
import type { Parameters as NetworkParameters } from '../../nn/parameters.ts';
import { perPosition } from '../positions.ts';
import type { TokenReducer } from '../token-reducer.ts';
import { gatherTokens, mapState } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import { attendMasked, columnLike, decide, decisionTerms, keptPatches } from './keep-decisions.ts';
import { layerParameters, predictKeeping, predictorParameters } from './keep-predictor.ts';
import { learnedPrefix, requireLearned } from './learned.ts';
import type { LearnedMethod, LearnedParameter, TrainingForm } from './learned.ts';
import type { ReductionMethod } from './method.ts';
import { ascendingBlocks, blocksKey, featuresOf } from './per-block.ts';
import { DiffrateError } from '../../errors.ts';

/** A block with a selector before it. */
export interface SpvitStage {
  readonly block: number;
  /** Share of all patches that stays. */
  readonly share: number;
}

/** Choices of SPViT. */
export interface SpvitOptions {
  /** Ascending; each keeps fewer patches than there are before it. */
  readonly stages: readonly SpvitStage[];
  /** Patch tokens of the network. */
  readonly patches: number;
  readonly width: number;
  readonly heads: number;
}

/** Above any score, and below: the class token comes first, packages last. */
const farAway = 1e4;

const nameOf = (block: number): string => `${learnedPrefix}spvit.${block}`;

function parametersOf({ stages, width, heads }: SpvitOptions): LearnedParameter[] {
  const squeezed = Math.max(1, Math.floor(heads / 2));
  return stages.flatMap(({ block }) => [
    ...predictorParameters(nameOf(block), width / heads),
    ...layerParameters(`${nameOf(block)}.squeeze`, heads, squeezed),
    ...layerParameters(`${nameOf(block)}.excite`, squeezed, heads),
  ]);
}

interface Selection {
  /** By how much staying outweighs going, `[B, M, 1]`. */
  readonly score: Tensor;
  /** Probability to stay, `[B, M, 1]`. */
  readonly probability: Tensor;
}

/** Scores of the tokens behind the class token, `[B, M, C]`; mask `[B, M, 1]`. */
function select(
  tokens: Tensor,
  mask: Tensor | undefined,
  heads: number,
  name: string,
  parameters: NetworkParameters,
): Selection {
  const [batch, count, width] = [dimensionAt(tokens, 0), sizeAt(tokens, 1), sizeAt(tokens, 2)];
  const perHead = reshape(tokens, [batch, count, heads, width / heads]);
  const there = mask && reshape(mask, [batch, count, 1, 1]);
  const odds = reshape(predictKeeping(perHead, there, name, parameters), [batch, count, heads]);
  const squeezed = Math.max(1, Math.floor(heads / 2));
  const narrow = gelu(
    linear(reduceMean(perHead, [3]), linearParameters(parameters, `${name}.squeeze`, heads, squeezed)),
  );
  const weights = sigmoid(linear(narrow, linearParameters(parameters, `${name}.excite`, squeezed, heads)));
  const total = reduceSum(weights, [2], true);
  const averaged = (x: Tensor): Tensor => div(reduceSum(mul(x, weights), [2], true), total);
  return { score: averaged(odds), probability: averaged(sigmoid(odds)) };
}

/** SPViT's reducer, once it knows the network's parameters. */
export function spvit(options: SpvitOptions): TokenReducer {
  const { stages, patches, heads } = options;
  const kept = keptPatches(
    patches,
    stages.map(({ share }) => share),
  );
  return {
    name: 'spvit',
    withParameters(parameters) {
      requireLearned('spvit', 'selectors', parametersOf(options), parameters);
      return {
        name: 'spvit',
        beforeBlock(block, state) {
          const stage = stages.findIndex((own) => own.block === block);
          const staying = kept[stage];
          if (staying === undefined) return state;
          const live = sizeAt(state.features, 1) - 1 - stage;
          const selection = inScope('selector', () =>
            select(slice(state.features, 1, 1), undefined, heads, nameOf(block), parameters),
          );
          return inScope('package', () => packDropped(state, selection, live, staying));
        },
      };
    },
  };
}

/** Class token, the best patches, the packages so far, and a new one of the other patches. */
function packDropped(
  state: TokenState,
  { score, probability }: Selection,
  patches: number,
  staying: number,
): TokenState {
  const { features } = state;
  const tokens = sizeAt(features, 1);
  const packages = tokens - 1 - patches;
  const shift = perPosition(tokens - 1, (token) => (token < patches ? 0 : -farAway - token));
  const rank = concat([columnLike(features, 1, farAway), add(score, shift)], 1);
  const order = topK(rank, tokens, true, 1).indices;
  const sorted = gatherTokens(state, order);
  const share = gatherND(concat([columnLike(features, 1, 1), probability], 1), order);
  const ofDropped = (x: Tensor): Tensor => slice(x, 1, 1 + staying, 1 + patches);
  const weights = ofDropped(share);
  const packed = div(matMul(transpose(weights, [0, 2, 1]), ofDropped(sorted.features)), reduceSum(weights, [1], true));
  const around = (x: Tensor, last: Tensor): Tensor =>
    concat([slice(x, 1, 0, 1 + staying), ...(packages > 0 ? [slice(x, 1, 1 + patches)] : []), last], 1);
  const joined = mapState(sorted, (x) => around(x, reduceMax(ofDropped(x), [1], true)));
  return { ...joined, features: around(sorted.features, packed) };
}

/** What is trained, and how. */
export function spvitTraining(options: SpvitOptions): LearnedMethod {
  return { parameters: parametersOf(options), trainsNetwork: true, training: () => trainingForm(options) };
}

function trainingForm({ stages, patches, heads }: SpvitOptions): TrainingForm {
  const noise = stages.map(({ block }) => input(`${nameOf(block)}.noise`, 'float32', ['batch', patches, 1]));
  const decisions: Tensor[] = [];
  const masked = (parameters: NetworkParameters): TokenReducer => ({
    name: 'spvit, masked',
    needsEveryQuery: true,
    beforeBlock(block, state) {
      const stage = stages.findIndex((own) => own.block === block);
      const own = noise[stage];
      if (own === undefined) return state;
      return inScope('selector', () => {
        const { features } = state;
        const before = decisions.at(-1) ?? columnLike(features, patches, 1);
        const withPackages = (x: Tensor, count: number): Tensor =>
          count === 0 ? x : concat([x, columnLike(features, count, 1)], 1);
        const behind = slice(features, 1, 1);
        const selection = select(behind, withPackages(before, stage), heads, nameOf(block), parameters);
        const ofPatches = (x: Tensor): Tensor => slice(x, 1, 0, patches);
        const decision = mul(decide(ofPatches(selection.score), own), before);
        decisions.push(decision);
        const weights = mul(ofPatches(selection.probability), sub(before, decision));
        const packed = div(
          matMul(transpose(weights, [0, 2, 1]), ofPatches(behind)),
          max(reduceSum(weights, [1], true), 1e-6),
        );
        return {
          ...state,
          features: concat([features, packed], 1),
          mask: concat([columnLike(features, 1, 1), withPackages(decision, stage + 1)], 1),
        };
      });
    },
    attend: (_, state, queries, keys, values) => attendMasked(state, queries, keys, values),
  });
  const shares = stages.map(({ share }) => share);
  return {
    reducer: { name: 'spvit, masked', needsEveryQuery: true, withParameters: masked },
    noise,
    terms: (student, teacher) => decisionTerms(decisions, shares, false, student, teacher()),
  };
}

/**
 * The stages that drop anything.
 * @throws {DiffrateError} where shares and blocks are not as many.
 */
function stagesOf(shares: readonly number[], blocks: readonly number[], patches: number): SpvitStage[] {
  if (shares.length !== blocks.length) {
    throw new DiffrateError(
      `spvit:keep=${shares.join('/')} has ${shares.length} shares for the ${blocks.length} blocks ${blocks.join('/')}: give one for each.`,
    );
  }
  let left = patches;
  return blocks.flatMap((block, stage) => {
    const share = shares[stage] ?? 1;
    const [staying = left] = keptPatches(patches, [share]);
    if (staying >= left) return [];
    left = staying;
    return [{ block, share }];
  });
}

/** `spvit:keep=0.617/0.369/0.137`. */
export const spvitMethod: ReductionMethod = {
  name: 'spvit',
  title: 'SPViT (arXiv 2112.13890)',
  keys: [
    {
      name: 'keep',
      kind: 'list',
      meaning: 'share of all patch tokens that is left after each stage',
      fallback: ({ depth }) => [0.617, 0.369, 0.137].slice(0, Math.max(1, Math.min(3, depth - 1))),
      min: 0.01,
      max: 1,
    },
    blocksKey,
  ],
  needsClassToken: true,
  trained: true,
  build(parameters, network) {
    const { width, heads } = featuresOf('spvit', network);
    const blocks = ascendingBlocks('spvit', parameters.numbers('blocks'), network);
    const patches = network.tokens - 1;
    const stages = stagesOf(parameters.numbers('keep'), blocks, patches);
    const options = { stages, patches, width, heads };
    const tokensPerBlock = Array.from({ length: network.depth }, (_, block) => {
      const stage = stages.findLastIndex((own) => own.block <= block);
      if (stage < 0) return network.tokens;
      const [staying = patches] = keptPatches(patches, [stages[stage]?.share ?? 1]);
      return 1 + staying + stage + 1;
    });
    return { reducer: spvit(options), tokensPerBlock, reducesBeforeBlock: true, learned: spvitTraining(options) };
  },
};
