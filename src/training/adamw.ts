/**
 * AdamW (arXiv 1711.05101) on the vector of all parameters, with PyTorch's arithmetic.
 * It runs beside the graph, as one pass over weights, gradient and moments:
 * ONNX Runtime has no operator for it outside of its training builds,
 * and the ten element-wise operators that it takes would each pass over all of memory.
 */
import type { ParameterLayout } from './trained-parameters.ts';
import { arithmetic, VectorKernel } from './vector-kernel.ts';
import { VectorMemory } from './vector-memory.ts';

/** Constants of the optimizer. */
export interface AdamWOptions {
  /** Decay of the running mean of gradients, default 0.9. */
  readonly beta1?: number;
  /** Decay of the running mean of squares, default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Decoupled decay of the parameters that the layout says decay, default 0. */
  readonly weightDecay?: number;
}

const vectors = ['weights', 'gradient', 'first', 'second'] as const;
const scalars = ['beta1', 'rest1', 'beta2', 'rest2', 'stepSize', 'correction', 'epsilon', 'shrinkage'] as const;

/** The optimizer's state: the running means of gradients and of their squares. */
export class AdamW {
  readonly first: Float32Array;
  readonly second: Float32Array;
  /** Updates so far. */
  step = 0;
  readonly #layout: ParameterLayout;
  readonly #options: Required<AdamWOptions>;
  readonly #kernel: VectorKernel<(typeof vectors)[number], (typeof scalars)[number]>;

  /**
   * @param memory gives the moments; an update is quickest where it gave weights and gradient too.
   */
  constructor(layout: ParameterLayout, options: AdamWOptions = {}, memory = new VectorMemory(layout.length, 2)) {
    const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = options;
    this.#options = { beta1, beta2, epsilon, weightDecay };
    this.#layout = layout;
    this.first = memory.vector();
    this.second = memory.vector();
    this.#kernel = new VectorKernel(memory, vectors, scalars, ({ weights, gradient, first, second }, scalar) => {
      const { add, sub, mul, div, sqrt } = arithmetic;
      const mean = add(mul(scalar.beta1, first), mul(scalar.rest1, gradient));
      const square = add(mul(scalar.beta2, second), mul(mul(scalar.rest2, gradient), gradient));
      const length = add(mul(sqrt(square), scalar.correction), scalar.epsilon);
      // What is small is added up first, so that a decay far below one rounding of a weight still
      // counts.
      const change = add(mul(scalar.shrinkage, weights), div(mul(scalar.stepSize, mean), length));
      return { weights: sub(weights, change), first: mean, second: square };
    });
  }

  /**
   * One step in place.
   * @param scale by which the gradient is multiplied first: one over the number of micro-batches,
   *   and clipping.
   */
  update(weights: Float32Array, gradient: Float32Array, learningRate: number, scale = 1): void {
    const { beta1, beta2, epsilon, weightDecay } = this.#options;
    this.step += 1;
    const constants = {
      beta1,
      rest1: (1 - beta1) * scale,
      beta2,
      rest2: (1 - beta2) * scale * scale,
      correction: 1 / Math.sqrt(1 - beta2 ** this.step),
      epsilon,
    };
    const debias = 1 - beta1 ** this.step;
    const all = { weights, gradient, first: this.first, second: this.second };
    for (const { offset, length, decays, learningRateFactor } of this.#layout.parameters) {
      const rate = learningRate * learningRateFactor;
      const shrinkage = decays ? rate * weightDecay : 0;
      this.#kernel.run(all, { ...constants, stepSize: rate / debias, shrinkage }, offset, offset + length);
    }
  }
}
