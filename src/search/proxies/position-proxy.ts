/**
 * A proxy of a single number: the kept number μ itself, in tokens, with keep-probability `sigmoid((μ − k)/τ)` at position k.
 * Its gradient is local (only positions within a few τ of the cut speak) and its steps are in tokens, so a few hundred steps on a
 * thousand images suffice where a probability per candidate needs thousands.
 */
import type { Proxy } from './proxy.ts';

/** Proxy with one parameter μ, the class token counted. */
export class PositionProxy implements Proxy {
  readonly parameters: Float64Array;
  /** Width of the keep-probability's slope in tokens; the search narrows it. */
  temperature: number;
  readonly #smallest: number;
  readonly #largest: number;

  /** @param start μ at the beginning; it stays within `smallest`…`largest` tokens. */
  constructor(start: number, temperature: number, smallest: number, largest: number) {
    this.parameters = Float64Array.of(start);
    this.temperature = temperature;
    this.#smallest = smallest;
    this.#largest = largest;
  }

  keptNumber(): number {
    return Math.min(this.#largest, Math.max(this.#smallest, Math.round(this.parameters[0] ?? 0)));
  }

  gradient(mask: Float64Array | undefined, kept: number): Float64Array {
    const center = this.parameters[0] ?? 0;
    let total = kept;
    mask?.forEach((value, position) => {
      if (position === 0) return;
      // The token at position k is kept if the kept number exceeds k; half a token centres the slope on the cut.
      const probability = 1 / (1 + Math.exp((position + 0.5 - center) / this.temperature));
      total += (value * probability * (1 - probability)) / this.temperature;
    });
    return Float64Array.of(total);
  }
}
