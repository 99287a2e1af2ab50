/**
 * A proxy of a single number: the kept number μ itself, in tokens, with keep-probability
 * `sigmoid((μ − k)/τ)` at position k. Its gradient is local (only positions within a few τ of the
 * cut speak) and its steps are in tokens, so a few hundred steps on a thousand images suffice where
 * a probability per candidate needs thousands.
 */

/** Proxy with one parameter μ, prefix tokens counted. */
export class PositionProxy {
  /** μ, fractional. */
  value: number;
  /** Width of the keep-probability's slope in tokens; the search narrows it. */
  temperature: number;
  readonly #smallest: number;
  readonly #largest: number;

  /** @param value μ at the beginning; the kept number stays within `smallest`…`largest` tokens. */
  constructor(value: number, temperature: number, smallest: number, largest: number) {
    this.value = value;
    this.temperature = temperature;
    this.#smallest = smallest;
    this.#largest = largest;
  }

  /** Tokens kept, prefix tokens counted; an integer. */
  keptNumber(): number {
    return Math.round(this.clamp(this.value));
  }

  /** A number of tokens moved into the proxy's range. */
  clamp(value: number): number {
    return Math.min(this.#largest, Math.max(this.#smallest, value));
  }

  /**
   * What one more token is worth at the cut: the mean of `worth` over positions `start…end − 1`,
   * weighted by the slope of the keep-probability there. Only positions whose worth is known are in
   * the range, hence a mean instead of a sum.
   */
  worthOfOneMore(worth: (position: number) => number, start: number, end: number): number {
    let sum = 0;
    let total = 0;
    for (let position = start; position < end; position++) {
      // The token at position k is kept if the kept number exceeds k; half a token centres the
      // slope on the cut.
      const probability = 1 / (1 + Math.exp((position + 0.5 - this.value) / this.temperature));
      const slope = probability * (1 - probability);
      sum += slope * worth(position);
      total += slope;
    }
    return total > 0 ? sum / total : 0;
  }
}
