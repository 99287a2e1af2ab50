/**
 * The published proxy: a probability for each candidate number of kept patch tokens.
 * `ρ = softmax(ρ̂)`, kept number `⌈Σ candidate·ρ⌉` and the prefix tokens, keep-probability of a
 * position = Σ of ρ over the candidates that keep it.
 */
import { DiffrateError } from '../../errors.ts';
import type { TokenLayout } from '../../reduction/token-layout.ts';
import type { Proxy } from './proxy.ts';

/** Candidates `patches, patches − g, …` down to at least 1. */
export function candidatesOf(patches: number, granularity: number): number[] {
  return Array.from({ length: Math.ceil(patches / granularity) }, (_, index) => patches - index * granularity);
}

/** Proxy over explicit candidates. */
export class CandidateProxy implements Proxy {
  readonly parameters: Float64Array;
  readonly #candidates: readonly number[];
  readonly #prefix: number;

  /**
   * @param candidates kept patch numbers, without prefix tokens.
   * @param layout prefix tokens, which are kept in any case.
   * @param parameters ρ̂; zeros (all candidates equally likely) by default.
   */
  constructor(
    candidates: readonly number[],
    { prefix }: Pick<TokenLayout, 'prefix'>,
    parameters: Float64Array = new Float64Array(candidates.length),
  ) {
    if (candidates.length === 0 || parameters.length !== candidates.length) {
      throw new DiffrateError(
        `A proxy of ${candidates.length} candidates needs as many parameters, not ${parameters.length}.`,
      );
    }
    this.#candidates = candidates;
    this.#prefix = prefix;
    this.parameters = parameters;
  }

  /** ρ, in the candidates' order. */
  probabilities(): Float64Array {
    const largest = this.parameters.reduce((a, b) => Math.max(a, b));
    const weights = this.parameters.map((value) => Math.exp(value - largest));
    const total = weights.reduce((a, b) => a + b);
    return weights.map((weight) => weight / total);
  }

  keptNumber(): number {
    const expected = this.probabilities().reduce(
      (sum, probability, index) => sum + probability * (this.#candidates[index] ?? 0),
      0,
    );
    // Rounding errors of the sum must not lift an exact integer to the next one.
    return Math.ceil(expected - 1e-9) + this.#prefix;
  }

  gradient(mask: Float64Array | undefined, kept: number): Float64Array {
    const probabilities = this.probabilities();
    const below = cumulative(mask, this.#prefix);
    const toProbability = Float64Array.from(this.#candidates, (candidate) => {
      const positions = below === undefined ? 0 : (below[Math.min(candidate, below.length - 1)] ?? 0);
      return positions + kept * candidate;
    });
    const mean = toProbability.reduce((sum, value, index) => sum + value * (probabilities[index] ?? 0), 0);
    return probabilities.map((probability, index) => probability * ((toProbability[index] ?? 0) - mean));
  }
}

/** Sum over the first k patch positions for every k; prefix tokens are always kept. */
function cumulative(mask: Float64Array | undefined, prefix: number): Float64Array | undefined {
  if (mask === undefined) return undefined;
  const sums = new Float64Array(mask.length - prefix + 1);
  for (let count = 1; count < sums.length; count++) {
    sums[count] = (sums[count - 1] ?? 0) + (mask[prefix + count - 1] ?? 0);
  }
  return sums;
}
