/**
 * DiffRate's merge (section 3.1 and `merge.py` of the authors' code): every source token goes to the destination with the
 * highest cosine similarity of features; a destination becomes a mean of itself and all that went to it (`merge-rule.ts`).
 * The matching is a dense one-hot matrix times tokens: deterministic, differentiable, and the same on every backend.
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
  reshape,
  transpose,
} from '../graph/operators/index.ts';
import { constant, dimensionAt, sizeAt, stopGradient } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { MergeRule } from './merge-rule.ts';
import type { TokenState } from './token-state.ts';
import { mergeAssigned } from './weighted-merge.ts';

/** Which destination every source goes to. */
export interface Matching {
  /** `[B, K, S]`, one 1 per source. */
  readonly assignment: Tensor;
  /** Cosine similarity of a source and its destination, `[B, S, 1]`. */
  readonly similarity: Tensor;
}

/** Below any product of a source with a normalised destination, also in half precision: keeps a token from being chosen. */
const excluded = -3e4;

/**
 * Matches sources `[B, S, C]` to destinations `[B, K, C]` by cosine similarity. No gradient flows through the choice.
 * A source that is equally similar to several destinations, to the last bit, joins all of them.
 * @param keepFirst destination 0 is the class token and never chosen.
 */
export function matchTokens(sources: Tensor, destinations: Tensor, keepFirst: boolean): Matching {
  const [batch, count] = [dimensionAt(sources, 0), dimensionAt(sources, 1)];
  const products = matMul(destinations, transpose(sources, [0, 2, 1]));
  // Only the destinations' norms matter for the choice; the sources' scale the few chosen values.
  const scaled = div(products, norms(destinations));
  const allowed = keepFirst ? add(scaled, firstExcluded(sizeAt(destinations, 1))) : scaled;
  const best = reduceMax(allowed, [1], true);
  return {
    assignment: cast(equal(allowed, best), 'float32'),
    similarity: div(reshape(best, [batch, count, 1]), norms(sources)),
  };
}

/** Euclidean norm of each token, `[B, N, 1]`; position embeddings and biases keep tokens from being exactly 0. */
function norms(tokens: Tensor): Tensor {
  return reduceL2(tokens, [-1], true);
}

function firstExcluded(count: number): Tensor {
  const bias = Float32Array.from({ length: count }, (_, index) => (index === 0 ? excluded : 0));
  return constant(bias, [1, count, 1], 'float32');
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
  const { assignment, similarity } = matchTokens(
    stopGradient(sources.features),
    stopGradient(destinations.features),
    keepFirst,
  );
  if (rule === 'patches') return mergeAssigned(destinations, sources, assignment);
  const arrivals = reduceSum(assignment, [2], true);
  const features = div(add(destinations.features, matMul(assignment, sources.features)), add(arrivals, 1));
  const source =
    destinations.source === undefined || sources.source === undefined
      ? undefined
      : add(destinations.source, matMul(assignment, sources.source));
  return { features, size: mergedSize(), source };

  function mergedSize(): Tensor {
    if (destinations.size === undefined || sources.size === undefined) {
      // Before the first merge every token has size 1.
      return add(rule === 'similarity' ? matMul(assignment, similarity) : arrivals, 1);
    }
    const grown = rule === 'similarity' ? mul(sources.size, similarity) : sources.size;
    return add(destinations.size, matMul(assignment, grown));
  }
}
