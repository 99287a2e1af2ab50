/**
 * LTMP, "Learned Thresholds Token Merging and Pruning" (arXiv 2307.10780; Mxbonn/ltmp). Every block
 * has two learned thresholds, and acts between attention and MLP:
 * 1. Merging. Each token at an even position looks for the most similar token at an odd position,
 *    as in ToMe. If the two are more similar than the first threshold, it merges into that token,
 *    with sizes as weights. That token takes the largest importance of those that merge.
 * 2. Pruning. A token's importance is the mean attention that it receives. It stays if that is
 *    above the second threshold.
 *
 * Prefix tokens take no part. Attention is proportional to sizes. The prefix, the even tokens and
 * then the odd ones are left, each in order; the next block splits that order. How many stay
 * differs per image. Shapes are fixed nevertheless: tokens that are there lie in front, and a mask
 * tells how many they are.
 *
 * Training moves the thresholds alone. Masks are hard in the forward pass, and the sigmoid of
 * (value − threshold) / 0.1 in the backward pass. The loss gets the term 10 · (share of FLOPs −
 * target)². Similarities and importances carry no gradient here; importance is the mean over
 * queries that are there.
 */
import {
  add,
  argMax,
  cast,
  div,
  greater,
  matMul,
  max,
  mul,
  reduceMax,
  reduceMean,
  reduceSum,
  reshape,
  sigmoid,
  slice,
  softmax,
  sub,
  transpose,
  where,
} from '../../graph/operators/index.ts';
import { dimensionAt, inScope, scalar, sizeAt, stopGradient } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters as NetworkParameters } from '../../nn/parameters.ts';
import { withoutPrefix } from '../bipartite-matching.ts';
import type { FeatureSizes } from '../network-shape.ts';
import { gridFlags, lookUp, oneHotRows } from '../positions.ts';
import { sortTokens } from '../sort.ts';
import { perToken, tokenCount } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import { mapTravellers, mergeTravellers } from '../token-state.ts';
import type { TokenState } from '../token-state.ts';
import type { AttendedView, BlockView, TokenReducer } from '../token-reducer.ts';
import { excluded, keySimilarityMetric } from '../weighted-merge.ts';
import { columnLike, straightThrough } from './keep-decisions.ts';
import { learnedPrefix, requireLearned } from './learned.ts';
import type { LearnedMethod, LearnedParameter, NetworkView, TrainingForm } from './learned.ts';
import type { ReductionMethod } from './method.ts';
import { featuresOf } from './per-block.ts';

/** The network that LTMP is made for. */
export interface LtmpOptions {
  /** Number of blocks. */
  readonly depth: number;
  /** Layout of the tokens that enter the first block. */
  readonly layout: TokenLayout;
}

/** Of the sigmoid that replaces a threshold in the backward pass. */
const temperature = 0.1;

/** Weight of the term that draws FLOPs to the target. */
const targetWeight = 10;

/** Where thresholds start: at 1 merging would never begin. */
const initialThresholds = { merge: 0.9, prune: 0 } as const;

type Threshold = keyof typeof initialThresholds;

const nameOf = (block: number, threshold: Threshold): string => `${learnedPrefix}ltmp.${block}.${threshold}`;

/**
 * Two numbers per block, from 0 to 1. Importances are of the order of 1/N, similarities of 1.
 * At the learning rate 1e-5 a step moves a threshold by at most 0.02/N or 0.005.
 */
function parametersOf({ depth, layout }: LtmpOptions): LearnedParameter[] {
  const factors = { merge: 500, prune: 2000 / tokenCount(layout) };
  return Array.from({ length: depth }, (_, block) => block).flatMap((block) =>
    (['merge', 'prune'] as const).map((threshold) => ({
      name: nameOf(block, threshold),
      shape: [1],
      initial: initialThresholds[threshold],
      learningRateFactor: factors[threshold],
      range: [0, 1] as const,
    })),
  );
}

/**
 * 1 where a value `[B, N, 1]` is above a threshold `[1]`, otherwise 0. While training it has a
 * gradient for the threshold.
 */
function above(value: Tensor, threshold: Tensor, training: boolean): Tensor {
  if (!training) return cast(greater(value, threshold), 'float32');
  return straightThrough(sigmoid(mul(sub(value, threshold), 1 / temperature)));
}

/** Both forms: hard masks, or masks that pass gradients to the thresholds. */
function thresholdReducer(parameters: NetworkParameters, layout: TokenLayout, training: boolean): TokenReducer {
  return {
    name: 'ltmp',
    keySizes: (_, state) => state.size,
    attentionWeights: (_, { mask }, logits) => (mask === undefined ? undefined : maskedSoftmax(logits, mask)),
    afterAttention(block, state, view) {
      const threshold = (which: Threshold): Tensor => parameters.tensor(nameOf(block, which), [1]);
      const tokens = sizeAt(state.features, 1);
      const mask = state.mask ?? columnLike(state.features, tokens, 1);
      const there = stopGradient(cast(greater(mask, 0.5), 'float32'));
      const importance = inScope('importance', () => stopGradient(meanAttention(view, there)));
      const { similarity, partner } = inScope('match', () => mostSimilarOdd(view, layout, there));
      const isEvenPatch = perToken(layout, tokens, { prefix: () => 0, grid: (position) => (position + 1) % 2 });
      const mayMerge = mul(there, isEvenPatch);
      const merges = mul(above(similarity, threshold('merge'), training), mayMerge);
      return inScope('merge', () => {
        const assignment = mul(partner, stopGradient(merges));
        const merged = mergeInto(state, assignment);
        // A token takes the larger importance of those that merge into it.
        const arriving = reshape(reduceMax(mul(assignment, importance), [1]), [dimensionAt(importance, 0), tokens, 1]);
        const isPatch = gridFlags(layout, tokens);
        const stays = above(max(importance, arriving), threshold('prune'), training);
        const kept = add(mul(stays, isPatch), sub(1, isPatch));
        const left = mul(mask, sub(1, merges));
        const isLeft = greater(stopGradient(left), 0.5);
        const next = where(isLeft, mul(left, kept), where(greater(there, 0.5), left, mask));
        return inFront({ ...merged, mask: next }, layout);
      });
    },
  };
}

/** Softmax over the keys that are there: logits `[B, H, P, N]`, mask `[B, N, 1]`. */
function maskedSoftmax(logits: Tensor, mask: Tensor): Tensor {
  const weights = mul(softmax(logits), reshape(mask, [dimensionAt(mask, 0), 1, 1, sizeAt(mask, 1)]));
  return div(weights, max(reduceSum(weights, [-1], true), 1e-30));
}

/**
 * Attention that each token receives, mean over heads and over the queries that are there:
 * `[B, N, 1]`.
 */
function meanAttention(view: AttendedView, there: Tensor): Tensor {
  const overHeads = reduceMean(view.probabilities(), [1]);
  const sums = matMul(transpose(overHeads, [0, 2, 1]), there);
  return div(sums, reduceSum(there, [1], true));
}

interface Partners {
  /** Cosine of keys of each token and the odd one most like it, `[B, N, 1]`. */
  readonly similarity: Tensor;
  /** One-hot `[B, N, N]`: which one that is. */
  readonly partner: Tensor;
}

/** The odd token that is there, behind the prefix, and most like each token; no gradient. */
function mostSimilarOdd(view: BlockView, layout: TokenLayout, there: Tensor): Partners {
  const metric = stopGradient(keySimilarityMetric(view));
  const tokens = sizeAt(metric, 1);
  const odd = Math.floor(tokens / 2);
  const products = matMul(metric, transpose(slice(metric, 1, 1, tokens, 2), [0, 2, 1]));
  const missing = mul(sub(1, slice(there, 1, 1, tokens, 2)), excluded);
  const present = add(products, reshape(missing, [dimensionAt(there, 0), 1, odd]));
  const similarities = withoutPrefix(present, layout);
  const position = lookUp(argMax(similarities, 2, true), odd, (index) => 2 * index + 1);
  return { similarity: reduceMax(similarities, [2], true), partner: oneHotRows(position, tokens) };
}

/**
 * Merges with sizes as weights; `assignment [B, N, N]` has a 1 in a source's row at its
 * destination. Sources stay where they are.
 */
function mergeInto(state: TokenState, assignment: Tensor): TokenState {
  const size = state.size ?? columnLike(state.features, sizeAt(state.features, 1), 1);
  const joining = transpose(assignment, [0, 2, 1]);
  const total = add(size, matMul(joining, size));
  const weighted = mul(state.features, size);
  const features = div(add(weighted, matMul(joining, weighted)), total);
  const travellers = mergeTravellers(state.travellers, state.travellers, {
    assignment: joining,
    sourceSize: size,
    ownSize: size,
    total,
  });
  return { ...state, features, size: total, travellers };
}

/**
 * The tokens that are there, prefix and even ones before odd ones, in front of those that are not.
 */
function inFront(state: TokenState & { readonly mask: Tensor }, layout: TokenLayout): TokenState {
  const tokens = sizeAt(state.features, 1);
  const even = Math.ceil(tokens / 2);
  const place = {
    prefix: (position: number): number => position + 1 - layout.prefix,
    grid: (position: number): number => (position % 2 === 0 ? position / 2 : even + (position - 1) / 2),
  };
  const there = cast(greater(stopGradient(state.mask), 0.5), 'float32');
  const rank = add(
    mul(there, 2 * tokens),
    perToken(layout, tokens, {
      prefix: (position) => -place.prefix(position),
      grid: (position) => -place.grid(position),
    }),
  );
  // A summed traveller of a token that is gone is 0: it stands for no token any more.
  const travellers = mapTravellers(state.travellers, (value, name) =>
    state.travellers?.[name]?.merging === 'sum' ? mul(value, there) : value,
  );
  return sortTokens({ ...state, travellers }, rank);
}

/** LTMP's reducer, once it knows the network's parameters. */
export function ltmp(options: LtmpOptions): TokenReducer {
  return {
    name: 'ltmp',
    ragged: true,
    withParameters(parameters) {
      requireLearned('ltmp', 'thresholds', parametersOf(options), parameters);
      return { ...thresholdReducer(parameters, options.layout, false), ragged: true };
    },
  };
}

/**
 * What is trained, and how.
 * @param target share of the FLOPs of all blocks.
 */
export function ltmpTraining(options: LtmpOptions, target: number, sizes: FeatureSizes): LearnedMethod {
  return {
    parameters: parametersOf(options),
    trainsNetwork: false,
    training: (): TrainingForm => ({
      reducer: {
        name: 'ltmp, masked',
        needsEveryQuery: true,
        withParameters: (parameters) => ({
          ...thresholdReducer(parameters, options.layout, true),
          needsEveryQuery: true,
        }),
      },
      noise: [],
      terms: (student) => {
        const difference = sub(flopsShare(student, tokenCount(options.layout), sizes), target);
        return [mul(mul(difference, difference), targetWeight)];
      },
    }),
  };
}

/**
 * FLOPs of all blocks as a share of the uncompressed ones', with each block's mean number of
 * tokens; a scalar.
 */
function flopsShare({ states }: NetworkView, tokens: number, { width, hiddenWidth }: FeatureSizes): Tensor {
  const attention = (share: Tensor): Tensor =>
    add(mul(share, 4 * tokens * width ** 2), mul(mul(share, share), 2 * tokens ** 2 * width));
  const mlp = 2 * tokens * width * hiddenWidth;
  const whole = states.length * (4 * tokens * width ** 2 + 2 * tokens ** 2 * width + mlp);
  let before = scalar(1);
  const costs = states.map(({ mask }) => {
    const share = mask === undefined ? scalar(1) : reduceMean(mask, [0, 1, 2]);
    const cost = add(attention(before), mul(share, mlp));
    before = share;
    return cost;
  });
  return mul(
    costs.reduce((sum, cost) => add(sum, cost)),
    1 / whole,
  );
}

/** `ltmp:target=0.65`. */
export const ltmpMethod: ReductionMethod = {
  name: 'ltmp',
  title: 'LTMP (arXiv 2307.10780)',
  keys: [
    {
      name: 'target',
      kind: 'number',
      meaning: 'share of the FLOPs of all blocks that training aims at',
      fallback: 0.65,
      min: 0.01,
      max: 1,
      ofTraining: true,
    },
  ],
  needsClassToken: true,
  ragged: true,
  pictureRemark: 'How many patches are pruned and merged differs per image.',
  trained: true,
  build(parameters, network) {
    const sizes = featuresOf('ltmp', network);
    const { depth, layout } = network;
    return {
      reducer: ltmp({ depth, layout }),
      tokensPerBlock: Array<number>(depth).fill(tokenCount(layout)),
      learned: ltmpTraining({ depth, layout }, parameters.number('target'), sizes),
    };
  },
};
