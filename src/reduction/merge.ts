/**
 * DiffRate's merge (section 3.1 and `merge.py` of the authors' code): every source token goes to the destination with the
 * highest cosine similarity of features; a destination becomes the plain mean of itself and all that went to it.
 * The matching is a dense one-hot matrix times tokens: deterministic, differentiable, and the same on every backend.
 */
import { add, cast, cumSum, div, equal, greaterOrEqual, matMul, mul, reduceL2, reduceMax, reduceSum, reshape, split, transpose } from '../graph/operators/index.ts';
import { constant, dimensionAt, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { TokenState } from './token-state.ts';

/** Which destination every source goes to. */
export interface Matching {
  /** `[B, S, K]`, one 1 per source. */
  readonly assignment: Tensor;
  /** Cosine similarity of a source and its destination, `[B, S, 1]`. */
  readonly similarity: Tensor;
}

/** A similarity that no pair of tokens reaches: keeps the class token from being a destination. */
const excluded = -2;

/** Norms below this count as this, so that a token of zeros is similar to nothing instead of not a number. */
const smallestNorm = 1e-6;

/**
 * Matches sources `[B, S, C]` to destinations `[B, K, C]` by cosine similarity. No gradient flows through the choice.
 * @param keepFirst destination 0 is the class token and never chosen.
 */
export function matchTokens(sources: Tensor, destinations: Tensor, keepFirst: boolean): Matching {
  const [batch, count] = [dimensionAt(destinations, 0), dimensionAt(destinations, 1)];
  const products = matMul(sources, transpose(destinations, [0, 2, 1]));
  const norms = reshape(add(reduceL2(destinations, [-1]), smallestNorm), [batch, 1, count]);
  const scaled = div(products, norms);
  const allowed = keepFirst ? excludeFirst(scaled, sizeAt(destinations, 1), sources) : scaled;
  const best = reduceMax(allowed, [-1], true);
  const candidates = cast(equal(allowed, best), 'float32');
  // Equal similarities are common in half precision: the first of them wins, as in an arg-max.
  const first = cast(greaterOrEqual(1, cumSum(candidates, -1)), 'float32');
  const similarity = div(best, add(reduceL2(sources, [-1], true), smallestNorm));
  return { assignment: mul(candidates, first), similarity };
}

/** Products are not yet divided by the sources' norms, so the exclusion is as large as any product can be. */
function excludeFirst(scaled: Tensor, count: number, sources: Tensor): Tensor {
  const bias = Float32Array.from({ length: count }, (_, index) => (index === 0 ? excluded : 0));
  return add(scaled, mul(constant(bias, [1, 1, count], 'float32'), add(reduceL2(sources, [-1], true), smallestNorm)));
}

/**
 * Merges the last tokens of a state into the first `kept`: `[B, P, …] → [B, kept, …]`.
 * @param scaleSizes a source adds `size × similarity` (DiffRate on ViTs) or its plain size (CAFormer).
 */
export function mergeTokens(state: TokenState, kept: number, keepFirst: boolean, scaleSizes = true): TokenState {
  const [destinations, sources] = splitAt(state.features, kept);
  const { assignment, similarity } = matchTokens(sources, destinations, keepFirst);
  const gather = transpose(assignment, [0, 2, 1]);
  const count = add(reshape(reduceSum(assignment, [1]), [dimensionAt(gather, 0), kept, 1]), 1);
  const features = div(add(destinations, matMul(gather, sources)), count);
  const added = (value: Tensor | undefined, weight: (part: Tensor) => Tensor): Tensor | undefined => {
    if (value === undefined) return undefined;
    const [own, others] = splitAt(value, kept);
    return add(own, matMul(gather, weight(others)));
  };
  const scaled = (part: Tensor): Tensor => (scaleSizes ? mul(part, similarity) : part);
  const size = state.size === undefined ? sizeFromOnes(gather, similarity, scaleSizes) : added(state.size, scaled);
  return { features, size, source: added(state.source, (part) => part) };
}

/** Sizes after the first merge, when every token still had size 1. */
function sizeFromOnes(gather: Tensor, similarity: Tensor, scaleSizes: boolean): Tensor {
  return add(scaleSizes ? matMul(gather, similarity) : reduceSum(gather, [2], true), 1);
}

/** The first `count` tokens and the rest. */
function splitAt(tensor: Tensor, count: number): [Tensor, Tensor] {
  const [head, tail] = split(tensor, 1, [count, sizeAt(tensor, 1) - count]);
  return [head as Tensor, tail as Tensor];
}
