/**
 * The selection rule `dissimilarity`: a token stays that is important and unlike every token that
 * is more important. It is diffrate's own (`docs/selection.md` derives it); ingredients are known
 * from Ward's criterion (1963), Zero-TPrune (arXiv 2305.17328) and MCTF (arXiv 2403.10030).
 *
 * A token that merges moves by about its distance to the token that it joins, and the network
 * notices as much of that as it attends to the token. So what goes should have a small product of
 * attention `a`, size `s` and dissimilarity `d`: one minus the largest cosine to a token that is
 * more important. Only the less important part of the tokens are candidates, which saves the
 * products of the others; the matching reads the same products.
 */
import {
  div,
  gatherElements,
  gatherND,
  less,
  matMul,
  max,
  mul,
  pow,
  reduceMax,
  scatterElements,
  sqrt,
  sub,
  transpose,
  where,
} from '../graph/operators/index.ts';
import { stopGradient } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { largest, smallest } from './count.ts';
import type { Count } from './count.ts';
import { candidateCount } from './selection.ts';
import type { Selection } from './selection.ts';

/** How many tokens of a block are what. */
export interface SelectionCounts {
  /** All that are there, the prefix among them. */
  readonly tokens: Count;
  /** Tokens that stay, the prefix among them, and tokens that go. */
  readonly kept: Count;
  readonly removed: Count;
  /** The least important tokens, among which those that go are; 0 where all of them go. */
  readonly candidates: Count;
}

/** The same as numbers. */
export interface SelectionNumbers extends Readonly<Record<keyof SelectionCounts, number>> {
  /** Tokens that stay whatever they resemble: the prefix and the most important ones. */
  readonly sure: number;
}

/** What a block of these numbers does; at least one grid token is sure to stay. */
export function selectionCounts(selection: Selection, prefix: number, tokens: number, kept: number): SelectionNumbers {
  const removed = tokens - kept;
  const wanted = candidateCount(selection, tokens - prefix, removed);
  const candidates = Math.min(wanted, tokens - prefix - 1);
  return { tokens, kept, removed, candidates: candidates > removed ? candidates : 0, sure: tokens - candidates };
}

/** What the choice is made by. */
export interface SelectionInputs {
  /** `[B, N, C]`: features at length 1. */
  readonly directions: Tensor;
  /** Sizes `[B, N, 1]`; absent while every token has size 1. */
  readonly size: Tensor | undefined;
  /** `α [B, N, 1]` of `attentionPerSize`, with the prefix above all. */
  readonly attention: Tensor;
}

/**
 * Attention per unit of size, `α = a / s^perSize`, `[B, N, 1]`.
 * @param importance `a [B, N, 1]` of `importance.ts`.
 */
export function attentionPerSize(importance: Tensor, size: Tensor | undefined, { perSize }: Selection): Tensor {
  return size === undefined || perSize === 0 ? importance : div(importance, power(size, perSize));
}

/**
 * A token's `α` times this is above what any token of a smaller `α` is worth: larger than any size
 * times any power of a dissimilarity, `N·2^8`.
 */
export const aboveWorth = 1e8;

/**
 * In which order tokens stay, without a gradient: positions `[B, N, 1]` int64, first the prefix,
 * then the other tokens that are sure to stay by `α`, then candidates by what they are worth.
 * Positions are only ever read by gathers, since WebGPU does not compute on int64.
 * @param prefixMarks `[1, N, 1]`: above any `α` for prefix tokens, 0 for others; absent where there
 *   is no prefix. It takes them from those that a token can resemble.
 */
export function orderOfStaying(
  { directions, size, attention }: SelectionInputs,
  { tokens, candidates }: SelectionCounts,
  selection: Selection,
  prefixMarks: Tensor | undefined,
): Tensor {
  if (candidates === 0) return largest(attention, tokens).indices;
  const all = stopGradient(directions);
  const { values: own, indices } = smallest(attention, candidates);
  const others = prefixMarks === undefined ? attention : sub(attention, prefixMarks);
  const nearest = nearestOf(matMul(gatherND(all, indices), toRows(all)), own, others);
  const ownSize = size === undefined ? undefined : gatherElements(size, indices, 1);
  const worth = scoreOf(own, ownSize, nearest, selection);
  return largest(scatterElements(mul(attention, aboveWorth), indices, worth, 1), tokens).indices;
}

/**
 * Largest cosine to a token with a larger `α`, `[B, M, 1]`; −1, which is farthest, where there is
 * none.
 * @param cosines `[B, M, N]`
 * @param own `α [B, M, 1]` of the rows.
 * @param others `α [B, N, 1]` of the columns.
 */
export function nearestOf(cosines: Tensor, own: Tensor, others: Tensor): Tensor {
  return reduceMax(where(less(own, toRows(others)), cosines, -1), [2], true);
}

/**
 * What keeping a token is worth, `α·s·d^power`, `[B, M, 1]`.
 * @param cosines largest one to a more important token.
 */
export function scoreOf(
  attention: Tensor,
  size: Tensor | undefined,
  cosines: Tensor,
  { power: exponent }: Selection,
): Tensor {
  const weight = size === undefined ? attention : mul(attention, size);
  const distance = sub(1, cosines);
  if (exponent === 0) return weight;
  // An even power needs no floor: rounding makes distances of equal tokens a little less than 0.
  const positive = exponent === 1 || exponent === 2 ? distance : max(distance, 0);
  return mul(weight, power(positive, exponent));
}

/** `x^exponent` by the cheapest operator. */
export function power(x: Tensor, exponent: number): Tensor {
  if (exponent === 1) return x;
  if (exponent === 0.5) return sqrt(x);
  return exponent === 2 ? mul(x, x) : pow(x, exponent);
}

const toRows = (x: Tensor): Tensor => transpose(x, [0, 2, 1]);
