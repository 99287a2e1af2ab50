/**
 * DiffRate's merge (section 3.1 and `merge.py` of the authors' code): every source token goes to
 * the destination with the highest cosine similarity of features; a destination becomes a mean of
 * itself and all that went to it (`merge-rule.ts`). The matching is a dense one-hot matrix times
 * tokens: deterministic, differentiable, and the same on every backend. It has a row per source,
 * because backends compare and reduce fastest along the many destinations.
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
import type { TokenLayout } from './token-layout.ts';
import { mergeTravellers } from './token-state.ts';
import type { TokenState } from './token-state.ts';

/** Which destination every source goes to. */
export interface Matching {
  /** `[B, S, K]`, one 1 per source. */
  readonly choices: Tensor;
  /**
   * Product of a source and its destination at length 1, `[B, S, 1]`: their cosine similarity times
   * the source's length.
   */
  readonly similarity: Tensor;
}

/**
 * Below any product of a source with a destination of length 1: added to one, it keeps a token from
 * being chosen.
 */
export const excluded = -3e4;

/** Stands in for the length of a token of zeros, whose products are 0 as well. */
export const smallestLength = 1e-20;

/**
 * Matches sources `[B, S, C]` to destinations `[B, K, C]` by cosine similarity; a source's own
 * length changes no choice. The destinations' lengths divide the products, not the destinations
 * before the product: lengths take one pass that only reads the features. A source that is equally
 * similar to several destinations, to the last bit, joins all of them.
 * @param allowed `[1, 1, K]`: 0, or `excluded` for a token that takes none; without it every
 *   destination takes some.
 * @param ofDestinations their lengths `[B, K, 1]`.
 */
export function matchTokens(
  sources: Tensor,
  destinations: Tensor,
  allowed?: Tensor,
  ofDestinations = lengths(destinations),
): Matching {
  const toColumns = (x: Tensor): Tensor => transpose(x, [0, 2, 1]);
  const products = div(matMul(sources, toColumns(destinations)), toColumns(ofDestinations));
  const chosenFrom = allowed === undefined ? products : add(products, allowed);
  const similarity = reduceMax(chosenFrom, [2], true);
  return { choices: cast(equal(chosenFrom, similarity), 'float32'), similarity };
}

/** Cosine similarities `[B, S, 1]` of sources and their destinations. */
export function cosinesOf({ similarity }: Matching, sources: Tensor): Tensor {
  return div(similarity, lengths(sources));
}

/** Euclidean lengths `[B, N, 1]` of tokens `[B, N, C]`. */
export function lengths(x: Tensor): Tensor {
  return add(reduceL2(x, [2], true), column(smallestLength, dimensionAt(x, 1)));
}

/**
 * What keeps `prefix` tokens in front of `count` destinations from being chosen, `[1, 1, count]`;
 * `undefined` where there are none.
 */
export function prefixExcluded(prefix: number, count: number): Tensor | undefined {
  if (prefix === 0) return undefined;
  const bias = Float32Array.from({ length: count }, (_, index) => (index < prefix ? excluded : 0));
  return constant(bias, [1, 1, count], 'float32');
}

/**
 * Merges `S` sources into `K` destinations: `[B, K, …]`.
 * @param layout prefix tokens stand in front of the destinations and take no source; where K is a
 *   name, there must be none.
 */
export function mergeTokens(
  destinations: TokenState,
  sources: TokenState,
  { prefix }: Pick<TokenLayout, 'prefix'>,
  rule: MergeRule = 'similarity',
): TokenState {
  const candidates = stopGradient(sources.features);
  const allowed = prefix === 0 ? undefined : prefixExcluded(prefix, sizeAt(destinations.features, 1));
  const matching = matchTokens(candidates, stopGradient(destinations.features), allowed);
  const { choices } = matching;
  const toDestinations = (weights: Tensor): Tensor => transpose(weights, [0, 2, 1]);
  const assignment = toDestinations(choices);
  const one = column(1, dimensionAt(destinations.features, 1));
  const own = destinations.size ?? one;

  if (rule === 'patches') {
    const weights = sources.size === undefined ? choices : mul(choices, sources.size);
    const size = add(rowSums(toDestinations(weights)), own);
    const kept =
      destinations.size === undefined ? destinations.features : mul(destinations.features, destinations.size);
    const features = div(add(kept, matMul(toDestinations(weights), sources.features)), size);
    return { features, size, ...travelled(size) };
  }
  const arrivals = rowSums(assignment);
  const sum = add(destinations.features, matMul(assignment, sources.features));
  const features = div(sum, add(arrivals, one));
  const size = add(grownBy(), own);
  return { features, size, ...(rule === 'count' ? travelled(size) : travelled()) };

  /**
   * What travels with the destinations.
   * @param total sizes of all that comes together; without it, every token weighs the same, as
   *   published.
   */
  function travelled(total?: Tensor): Pick<TokenState, 'travellers'> {
    if (destinations.travellers === undefined) return {};
    const arriving =
      total === undefined
        ? { assignment, total: add(rowSums(assignment), one) }
        : { assignment, sourceSize: sources.size, ownSize: destinations.size, total };
    return { travellers: mergeTravellers(destinations.travellers, sources.travellers, arriving) };
  }

  /** What the sizes of destinations grow by. */
  function grownBy(): Tensor {
    if (rule === 'count') return sources.size === undefined ? arrivals : matMul(assignment, sources.size);
    const cosine = cosinesOf(matching, candidates);
    return matMul(assignment, sources.size === undefined ? cosine : mul(sources.size, cosine));
  }
}

/**
 * Sums `[B, K, 1]` of the rows of `x [B, K, S]`: as a product with ones, which takes up a
 * transposition of `x` at no cost.
 */
export function rowSums(x: Tensor): Tensor {
  const ones = column(1, dimensionAt(x, 2));
  return typeof ones === 'number' ? reduceSum(x, [2], true) : matMul(x, ones);
}

/**
 * A column `[1, N, 1]` of one value, or the value itself where the number of tokens is a name. ONNX
 * Runtime adds a column to a column four times as fast as it adds one number to it, for which it
 * wakes its threads.
 */
export function column(value: number, count: Dimension): Tensor | number {
  return typeof count === 'number' ? constant(new Float32Array(count).fill(value), [1, count, 1], 'float32') : value;
}
