/**
 * ATS, "Adaptive Token Sampling" (arXiv 2111.15667; adaptivetokensampling/ATS), as its authors'
 * evaluation runs it. It acts from block 3 of 12 on, inside attention. Patch tokens score by the
 * class token's attention times the length of their value. Sorted ascending, their cumulative sum
 * is a distribution, which is sampled at evenly spaced heights. Each height picks the nearest
 * token, duplicates are dropped. Only prefix tokens and the picked ones are queries and stay; keys
 * and values are of all tokens. How many stay differs per image. Shapes are fixed nevertheless:
 * there are `tokens` slots, and a mask per image. Tokens that are not there have weight 0 as keys.
 * FLOPs are therefore a mean over images of the counts that the graph outputs. Time does not fall
 * with them. Where `drop` is on, small constants depend on the longest image of the batch, as in
 * the published code. Results depend on it a little, too. The published code runs only with as many
 * reference tokens as there are tokens. Fewer reference tokens, which a budget needs, follow the
 * paper.
 */
import {
  abs,
  add,
  cast,
  div,
  equal,
  exp,
  gatherND,
  greater,
  less,
  matMul,
  max,
  mul,
  neg,
  reduceMax,
  reduceSum,
  reshape,
  slice,
  sub,
  topK,
  where,
} from '../../graph/operators/index.ts';
import { DiffrateError } from '../../errors.ts';
import { constant, dimensionAt, inScope, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { attentionValueScore } from '../attention-value-score.ts';
import { nameOf, tokensOf } from '../network-shape.ts';
import type { NetworkShape } from '../network-shape.ts';
import { gridFlags, prefixColumn } from '../positions.ts';
import type { TokenLayout } from '../token-layout.ts';
import type { TokenState } from '../token-state.ts';
import type { QuerySelection, TokenReducer } from '../token-reducer.ts';
import type { ReductionMethod } from './method.ts';
import { stageBlocks } from './per-block.ts';

/** Choices of ATS. */
export interface AtsOptions {
  /** Blocks that sample. */
  readonly blocks: readonly number[];
  /**
   * Most tokens that stay, and number of reference tokens. Prefix tokens count; the others are
   * sampling heights, at least 2.
   */
  readonly tokens: number;
  /** Pad to the longest image of the batch (the authors' `drop_tokens`), or to `tokens`. */
  readonly drop: boolean;
}

/** Keeps a softmax from dividing by zero, in the authors' code. */
const smoothing = 1e-6;
/** Above any height, and any distance between two. */
const far = 1e3;

/** ATS's reducer. */
export function ats({ blocks, tokens: most, drop }: AtsOptions, layout: TokenLayout): TokenReducer {
  /**
   * Tokens, padding counted, that the authors' code would have: a float `[1, 1, 1]` or a number.
   */
  const paddedLength = (state: TokenState): Tensor | number => {
    const slots = sizeAt(state.features, 1);
    if (!drop || state.mask === undefined) return slots;
    return reduceMax(reduceSum(state.mask, [1], true), [0], true);
  };
  return {
    name: 'ats',
    ragged: true,
    dependsOnBatch: drop,
    attentionWeights: (_, state, logits) => smoothedSoftmax(logits, state.mask, paddedLength(state)),
    selectQueries(block, state, view) {
      if (!blocks.includes(block)) return undefined;
      return inScope('sample', () => {
        const mask = state.mask ?? add(mul(slice(state.features, 2, 0, 1), 0), 1);
        return sample(attentionValueScore(view, layout, state.mask), { mask, layout }, paddedLength(state), most);
      });
    },
  };
}

/**
 * `(e + 1e-6/Np) / (Σe + 1e-6)` with `e = exp(logit − row maximum)` of the tokens that are there;
 * padding's logit 0 joins the maximum.
 */
function smoothedSoftmax(logits: Tensor, mask: Tensor | undefined, padded: Tensor | number): Tensor {
  const length = typeof padded === 'number' ? padded : reshape(padded, [1, 1, 1, 1]);
  const share = div(smoothing, length);
  if (mask === undefined) {
    const powers = exp(sub(logits, reduceMax(logits, [-1], true)));
    return div(add(powers, share), add(reduceSum(powers, [-1], true), smoothing));
  }
  const there = reshape(mask, [dimensionAt(mask, 0), 1, 1, sizeAt(mask, 1)]);
  const isThere = greater(there, 0.5);
  const largest = reduceMax(where(isThere, logits, -far), [-1], true);
  const hasPadding = less(reduceSum(there, [-1], true), length);
  const highest = where(hasPadding, max(largest, 0), largest);
  // What is not there gets the exponent 0, which cannot overflow, and then the weight 0.
  const powers = mul(exp(where(isThere, sub(logits, highest), 0)), there);
  return div(mul(add(powers, share), there), add(reduceSum(powers, [-1], true), smoothing));
}

/** Which tokens are there, `[B, N, 1]`, and how they lie. */
interface Present {
  readonly mask: Tensor;
  readonly layout: TokenLayout;
}

/**
 * Inverse transform sampling of the scores `[B, N, 1]` of the tokens that are there. No token is
 * moved. Comparing each token with each gives what a sorted list would say of it: its place, and
 * the sum up to it.
 */
function sample(score: Tensor, { mask, layout }: Present, padded: Tensor | number, most: number): QuerySelection {
  const { prefix } = layout;
  const picks = most - prefix;
  const [batch, tokens] = [dimensionAt(score, 0), sizeAt(score, 1)];
  const row = (column: Tensor): Tensor => reshape(column, [batch, 1, tokens]);
  const there = mul(mask, gridFlags(layout, tokens));
  const before = notAfter(score, row(score), tokens);
  const rank = matMul(before, there);
  const sums = matMul(before, mul(score, there));
  const count = reduceSum(there, [1], true);
  const among = (values: Tensor, condition: Tensor): Tensor => reduceMax(where(condition, values, -far), [1], true);
  const least = (values: Tensor, condition: Tensor): Tensor => neg(among(neg(values), condition));
  // The authors' list starts with a zero for every token of padding; the list is stretched to 0 …
  // 1.
  const hasPadding = less(add(count, prefix), padded);
  const isThere = greater(there, 0.5);
  const floor = where(hasPadding, 0, least(sums, isThere));
  const heights = div(sub(sums, floor), max(sub(among(sums, isThere), floor), 1e-12));
  const start = least(heights, greater(mul(heights, there), 0));
  // R heights to sample at: y = start + i·(1 − start)/(R − 1), i = 0 … R − 1.
  const steps = Float32Array.from({ length: picks }, (_, index) => index / (picks - 1));
  const wanted = add(start, mul(sub(1, start), constant(steps, [1, picks, 1], 'float32')));
  // With more tokens than R only the last R of the list can be picked.
  const eligible = mul(there, cast(greater(rank, sub(count, picks - 0.5)), 'float32'));
  const distance = where(greater(row(eligible), 0.5), abs(sub(wanted, row(heights))), far);
  const nearest = neg(reduceMax(neg(distance), [2], true));
  // Of equally near tokens, the first in the list is picked.
  const first = mul(cast(equal(distance, nearest), 'float32'), sub(tokens + 1, row(rank)));
  const hits = cast(equal(first, reduceMax(first, [2], true)), 'float32');
  const picked = mul(reshape(reduceMax(hits, [1], true), [batch, tokens, 1]), eligible);
  return inOrder(dropSecond(picked, rank, sub(padded, add(count, 1 + prefix))), rank, layout, Math.min(tokens, most));
}

/**
 * `[B, N, N]`: 1 where the column's token comes, in ascending order of scores, no later than the
 * row's.
 */
function notAfter(score: Tensor, scores: Tensor, tokens: number): Tensor {
  const earlier = Float32Array.from({ length: tokens * tokens }, (_, index) =>
    Number(index % tokens <= Math.floor(index / tokens)),
  );
  const tied = mul(cast(equal(score, scores), 'float32'), constant(earlier, [1, tokens, tokens], 'float32'));
  return add(cast(greater(score, scores), 'float32'), tied);
}

/**
 * A side effect of the published code's removal of duplicates: the last of the picked tokens goes,
 * too, where it is second in the padded list.
 * @param offset `[B, 1, 1]`: what turns a rank from 1 into a place in that list from 0.
 */
function dropSecond(picked: Tensor, rank: Tensor, offset: Tensor): Tensor {
  const ranks = mul(picked, rank);
  const last = reduceMax(ranks, [1], true);
  const isSecond = mul(cast(equal(ranks, last), 'float32'), cast(equal(add(last, offset), 1), 'float32'));
  return mul(picked, sub(1, isSecond));
}

/** Prefix tokens, the picked ones in ascending order of scores, and padding to `slots`. */
function inOrder(picked: Tensor, rank: Tensor, layout: TokenLayout, slots: number): QuerySelection {
  const tokens = sizeAt(picked, 1);
  const inPrefix = prefixColumn(layout, tokens, () => 1);
  // TopK takes the first of equal ones first, so prefix tokens keep their order.
  const place = add(mul(picked, sub(tokens + 1, rank)), mul(inPrefix, 2 * tokens));
  const { indices } = topK(place, slots, true, 1);
  return { indices, mask: gatherND(add(picked, inPrefix), indices) };
}

/** Prefix tokens and two heights to sample at. */
const leastTokens = ({ layout }: NetworkShape): number => layout.prefix + 2;

/** `ats`, `ats:tokens=100`. */
export const atsMethod: ReductionMethod = {
  name: 'ats',
  title: 'ATS (arXiv 2111.15667)',
  keys: [
    {
      name: 'tokens',
      kind: 'integer',
      meaning: 'most tokens kept, and number of reference tokens',
      fallback: tokensOf,
      min: 3,
    },
    {
      name: 'blocks',
      kind: 'list',
      meaning: 'blocks that sample, counted from 0',
      fallback: ({ depth }) => Array.from({ length: depth }, (_, block) => block).slice(Math.floor(depth / 4)),
      min: 0,
    },
    { name: 'drop', kind: 'flag', meaning: 'pad to the longest image of the batch, as published', fallback: false },
  ],
  needsClassToken: true,
  ragged: true,
  pictureRemark: 'How many patches are kept differs per image.',
  knob: { key: 'tokens', min: leastTokens, max: tokensOf, rising: true, whole: true },
  build(parameters, network) {
    const [most, least, tokens] = [parameters.number('tokens'), leastTokens(network), tokensOf(network)];
    if (most > tokens) {
      throw new DiffrateError(`ats:tokens=${most} is more than ${nameOf(network)} has: lower it to at most ${tokens}.`);
    }
    if (most < least) {
      throw new DiffrateError(
        `ats:tokens=${most} leaves too few beside the ${network.layout.prefix} prefix tokens of ${nameOf(network)}, ` +
          `which always stay: raise it to at least ${least}.`,
      );
    }
    const blocks = stageBlocks('ats', parameters.numbers('blocks'), network);
    let left = tokens;
    const tokensPerBlock = Array.from({ length: network.depth }, (_, block) =>
      blocks.includes(block) ? (left = Math.min(left, most)) : left,
    );
    return { reducer: ats({ blocks, tokens: most, drop: parameters.flag('drop') }, network.layout), tokensPerBlock };
  },
};
