/**
 * SPViT, "Faster Vision Transformers via Soft Token Pruning" (arXiv 2112.13890;
 * PeiyanFlying/SPViT). Before three blocks a selector scores the tokens behind the prefix. It is
 * DynamicViT's predictor on each attention head's channels, one set of weights for all heads. The
 * heads' opinions are averaged with weights that two small layers make of the heads' mean channels.
 * The best patches stay, in descending order. Those that go become one more token, their mean
 * weighted by their probability to stay: a package. From then on packages stand at the end. Later
 * selectors see them, but do not drop them. The authors' blocks are 3, 6 and 9 of 12, shares of all
 * patches .617, .369 and .137. Their code draws decisions at inference as well, so that numbers
 * differ per image; here a stage keeps `⌊share·patches⌋`. Training is DynamicViT's
 * (`keep-decisions.ts`), except that the share of kept tokens is that of the batch.
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
import { fusedTravellers } from '../fused-token.ts';
import { tokensOf } from '../network-shape.ts';
import { perPosition } from '../positions.ts';
import { gridOf, gridTokens } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import type { TokenReducer } from '../token-reducer.ts';
import { concatStates, gatherTokens, mapState } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import {
  attendMasked,
  behindPrefix,
  columnLike,
  decide,
  decisionTerms,
  keptPatches,
  rankBehindPrefix,
} from './keep-decisions.ts';
import { layerParameters, predictKeeping, predictorParameters } from './keep-predictor.ts';
import { learnedPrefix, requireLearned } from './learned.ts';
import type { LearnedMethod, LearnedParameter, TrainingForm } from './learned.ts';
import { beforeBlock } from './method.ts';
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
  readonly width: number;
  readonly heads: number;
}

/** Below any score: packages come last. */
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

/** Scores of the tokens behind the prefix, `[B, M, C]`; mask `[B, M, 1]`. */
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
export function spvit(options: SpvitOptions, layout: TokenLayout): TokenReducer {
  const { stages, heads } = options;
  const kept = keptPatches(
    gridTokens(layout),
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
          const live = sizeAt(state.features, 1) - layout.prefix - stage;
          const selection = inScope('selector', () =>
            select(gridOf(state.features, layout), undefined, heads, nameOf(block), parameters),
          );
          return inScope('package', () => packDropped(state, layout, selection, { patches: live, staying }));
        },
      };
    },
  };
}

/** Prefix tokens, the best patches, the packages so far, and a new one of the other patches. */
function packDropped(
  state: TokenState,
  layout: TokenLayout,
  { score, probability }: Selection,
  { patches, staying }: { readonly patches: number; readonly staying: number },
): TokenState {
  const { prefix } = layout;
  const { features } = state;
  const tokens = sizeAt(features, 1);
  const shift = perPosition(tokens - prefix, (token) => (token < patches ? 0 : -farAway - token));
  const order = topK(rankBehindPrefix(features, layout, add(score, shift)), tokens, true, 1).indices;
  const sorted = gatherTokens(state, order);
  const share = gatherND(behindPrefix(features, layout, 1, probability), order);
  const part = (start: number, end: number): TokenState => mapState(sorted, (x) => slice(x, 1, start, end));
  const kept = part(0, prefix + staying);
  const dropped = part(prefix + staying, prefix + patches);
  const byToken = slice(share, 1, prefix + staying, prefix + patches);
  const weights = transpose(byToken, [0, 2, 1]);
  const packed = div(matMul(weights, dropped.features), reduceSum(byToken, [1], true));
  const known = prefix + patches < tokens ? concatStates(kept, part(prefix + patches, tokens)) : kept;
  return concatStates(known, { features: packed, travellers: fusedTravellers(dropped.travellers, weights) });
}

/** What is trained, and how. */
export function spvitTraining(options: SpvitOptions, layout: TokenLayout): LearnedMethod {
  return { parameters: parametersOf(options), trainsNetwork: true, training: () => trainingForm(options, layout) };
}

function trainingForm({ stages, heads }: SpvitOptions, layout: TokenLayout): TrainingForm {
  const patches = gridTokens(layout);
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
        const behind = gridOf(features, layout);
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
          mask: behindPrefix(features, layout, 1, withPackages(decision, stage + 1)),
        };
      });
    },
    attend: (_, state, queries, keys, values) => attendMasked(state, queries, keys, values),
  });
  const shares = stages.map(({ share }) => share);
  return {
    reducer: { name: 'spvit, masked', needsEveryQuery: true, withParameters: masked },
    noise,
    terms: (student, teacher) => decisionTerms({ decisions, shares, perImage: false, layout }, student, teacher()),
  };
}

/**
 * The stages that drop anything.
 * @throws {DiffrateError} where there are not as many shares as blocks.
 */
function stagesOf(shares: readonly number[], blocks: readonly number[], patches: number): SpvitStage[] {
  if (shares.length !== blocks.length) {
    throw new DiffrateError(
      `spvit:keep=${shares.join('/')} has ${shares.length} shares for the ${blocks.length} blocks ` +
        `${blocks.join('/')}: give one for each.`,
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
    const { layout } = network;
    const patches = gridTokens(layout);
    const stages = stagesOf(parameters.numbers('keep'), blocks, patches);
    const options = { stages, width, heads };
    const tokensPerBlock = Array.from({ length: network.depth }, (_, block) => {
      const stage = stages.findLastIndex((own) => own.block <= block);
      if (stage < 0) return tokensOf(network);
      const [staying = patches] = keptPatches(patches, [stages[stage]?.share ?? 1]);
      return layout.prefix + staying + stage + 1;
    });
    return {
      reducer: spvit(options, layout),
      tokensPerBlock,
      work: beforeBlock,
      learned: spvitTraining(options, layout),
    };
  },
};
