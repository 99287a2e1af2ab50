/**
 * How much each output of a network varies from image to image: its standard deviation, summed as
 * images come (Welford, 1962).
 *
 *     mean_n = mean_(n−1) + (x_n − mean_(n−1)) / n
 *     squares_n = squares_(n−1) + (x_n − mean_(n−1))·(x_n − mean_n),   σ² = squares / n
 */

/**
 * An output that varies by no more than this share of its mean does not vary: it is what float32
 * rounds.
 */
const roundingShare = 1e-6;

/** Sums of D outputs, in float64. */
export class OutputSpread {
  readonly #means: Float64Array;
  readonly #squares: Float64Array;
  #images = 0;

  /** @param size outputs per image, D. */
  constructor(size: number) {
    this.#means = new Float64Array(size);
    this.#squares = new Float64Array(size);
  }

  /** Takes one image's outputs `[D]` in. */
  add(row: Float32Array): void {
    this.#images += 1;
    for (let output = 0; output < this.#means.length; output++) {
      const [value, mean] = [row[output] ?? 0, this.#means[output] ?? 0];
      const next = mean + (value - mean) / this.#images;
      this.#means[output] = next;
      this.#squares[output] = (this.#squares[output] ?? 0) + (value - mean) * (value - next);
    }
  }

  /** Standard deviation of each output `[D]` in the output's own unit; 0 where it does not vary. */
  deviations(): Float64Array {
    return this.#squares.map((squares, output) => {
      const deviation = Math.sqrt(squares / Math.max(1, this.#images));
      return deviation > roundingShare * Math.abs(this.#means[output] ?? 0) ? deviation : 0;
    });
  }
}
