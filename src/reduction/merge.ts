/**
 * DiffRate's merge (section 3.1 and `merge.py` of the authors' code): every source token goes to the destination with the
 * highest cosine similarity of features; a destination becomes a mean of itself and all that went to it (`merge-rule.ts`).
 * The matching is a dense one-hot matrix times tokens: deterministic, differentiable, and the same on every backend. It has a row per
 * source, since rows along the many destinations are what backends compare and reduce fastest.
 */
import {
  add,
  cast,
  div,
  equal,
  matMul,
  mul,
  reduceL2,
  reduceMax,
  reduceSum,
  transpose,
} from '../graph/operators/index.ts';
import { constant, dimensionAt, sizeAt, stopGradient } from '../graph/tensor.ts';
import type { Dimension, Tensor } from '../graph/tensor.ts';
import type { MergeRule } from './merge-rule.ts';
import type { TokenState } from './token-state.ts';

/** Which destination every source goes to. */
export interface Matching {
  /** `[B, S, K]`, one 1 per source. */
  readonly choices: Tensor;
  /** Product of a source and its destination at length 1, `[B, S, 1]`: their cosine similarity times the source's length. */
  readonly similarity: Tensor;
}

/** Below any product of a source with a destination of length 1: keeps a token from being chosen. */
const excluded = -3e4;

/** Stands in for the length of a token of zeros, whose products are 0 as well. */
const smallestLength = 1e-20;

/**
 * Matches sources `[B, S, C]` to destinations `[B, K, C]` by cosine similarity; a source's own length changes no choice. Products are divided
 * by the destinations' lengths, instead of destinations before the product: lengths are one pass that only reads the features.
 * A source that is equally similar to several destinations, to the last bit, joins all of them.
 * @param keepFirst destination 0 is the class token and never chosen.
 */
export function matchTokens(sources: Tensor, destinations: Tensor, keepFirst: boolean): Matching {
  const toColumns = (x: Tensor): Tensor => transpose(x, [0, 2, 1]);
  const products = div(matMul(sources, toColumns(destinations)), toColumns(lengths(destinations)));
  const allowed = keepFirst ? add(products, firstExcluded(sizeAt(destinations, 1))) : products;
  const similarity = reduceMax(allowed, [2], true);
  return { choices: cast(equal(allowed, similarity), 'float32'), similarity };
}

/** Euclidean lengths `[B, N, 1]` of tokens `[B, N, C]`. */
function lengths(x: Tensor): Tensor {
  return add(reduceL2(x, [2], true), column(smallestLength, dimensionAt(x, 1)));
}

function firstExcluded(count: number): Tensor {
  const bias = Float32Array.from({ length: count }, (_, index) => (index === 0 ? excluded : 0));
  return constant(bias, [1, 1, count], 'float32');
}

/**
 * Merges `S` sources into `K` destinations: `[B, K, …]`.
 * @param keepFirst destination 0 is the class token and takes none.
 */
export function mergeTokens(
  destinations: TokenState,
  sources: TokenState,
  keepFirst: boolean,
  rule: MergeRule = 'similarity',
): TokenState {
  const candidates = stopGradient(sources.features);
  const { choices, similarity } = matchTokens(candidates, stopGradient(destinations.features), keepFirst);
  const toDestinations = (weights: Tensor): Tensor => transpose(weights, [0, 2, 1]);
  const assignment = toDestinations(choices);
  const source =
    destinations.source === undefined || sources.source === undefined
      ? undefined
      : add(destinations.source, matMul(assignment, sources.source));
  const one = column(1, dimensionAt(destinations.features, 1));
  const own = destinations.size ?? one;

  if (rule === 'patches') {
    const weights = sources.size === undefined ? choices : mul(choices, sources.size);
    const size = add(rowSums(toDestinations(weights)), own);
    const kept =
      destinations.size === undefined ? destinations.features : mul(destinations.features, destinations.size);
    const features = div(add(kept, matMul(toDestinations(weights), sources.features)), size);
    return { features, size, source };
  }
  const arrivals = rowSums(assignment);
  const sum = add(destinations.features, matMul(assignment, sources.features));
  const features = div(sum, add(arrivals, one));
  return { features, size: add(grownBy(), own), source };

  /** What the sizes of destinations grow by. */
  function grownBy(): Tensor {
    if (rule === 'count') return sources.size === undefined ? arrivals : matMul(assignment, sources.size);
    const cosine = div(similarity, lengths(candidates));
    return matMul(assignment, sources.size === undefined ? cosine : mul(sources.size, cosine));
  }
}

/** Sums `[B, K, 1]` of the rows of `x [B, K, S]`: as a product with ones, which takes up a transposition of `x` at no cost. */
function rowSums(x: Tensor): Tensor {
  const ones = column(1, dimensionAt(x, 2));
  return typeof ones === 'number' ? reduceSum(x, [2], true) : matMul(x, ones);
}

/**
 * A column `[1, N, 1]` of one value, or the value itself where the number of tokens is a name. ONNX Runtime adds a column to a column four times as fast as it
 * adds one number to it, for which it wakes its threads.
 */
function column(value: number, count: Dimension): Tensor | number {
  return typeof count === 'number' ? constant(new Float32Array(count).fill(value), [1, count, 1], 'float32') : value;
}
