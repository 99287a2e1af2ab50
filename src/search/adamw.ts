/** AdamW (arXiv 1711.05101) in float64 on small parameter vectors, as PyTorch runs it. */

/** Constants of the optimizer. */
export interface AdamWOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly weightDecay?: number;
}

/** What a checkpoint keeps of an optimizer. */
export interface AdamWState {
  readonly step: number;
  readonly first: number[];
  readonly second: number[];
}

/** Optimizer of one parameter vector. */
export class AdamW {
  readonly #options: Required<AdamWOptions>;
  readonly #first: Float64Array;
  readonly #second: Float64Array;
  #step = 0;

  constructor(size: number, { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 }: AdamWOptions = {}) {
    this.#options = { beta1, beta2, epsilon, weightDecay };
    this.#first = new Float64Array(size);
    this.#second = new Float64Array(size);
  }

  /** One step in place. */
  update(parameters: Float64Array, gradient: Float64Array, learningRate: number): void {
    const { beta1, beta2, epsilon, weightDecay } = this.#options;
    this.#step += 1;
    const correction1 = 1 - beta1 ** this.#step;
    const correction2 = Math.sqrt(1 - beta2 ** this.#step);
    for (let index = 0; index < parameters.length; index++) {
      const slope = gradient[index] ?? 0;
      const first = beta1 * (this.#first[index] ?? 0) + (1 - beta1) * slope;
      const second = beta2 * (this.#second[index] ?? 0) + (1 - beta2) * slope * slope;
      this.#first[index] = first;
      this.#second[index] = second;
      const decayed = (parameters[index] ?? 0) * (1 - learningRate * weightDecay);
      parameters[index] =
        decayed - ((learningRate / correction1) * first) / (Math.sqrt(second) / correction2 + epsilon);
    }
  }

  /** State for a checkpoint. */
  save(): AdamWState {
    return { step: this.#step, first: [...this.#first], second: [...this.#second] };
  }

  /** Takes a checkpoint's state back. */
  restore(state: AdamWState): void {
    this.#step = state.step;
    this.#first.set(state.first);
    this.#second.set(state.second);
  }
}
