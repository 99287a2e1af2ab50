/** Weights to train from scratch with, as timm's `vision_transformer.py` or the original Vision Transformer draws them. */
import { RandomGenerator } from '../data/random.ts';
import { sinusoidalPositions } from './sinusoidal-positions.ts';
import type { SinusoidalPositions } from './sinusoidal-positions.ts';
import { partOf } from './trained-parameters.ts';
import type { ParameterLayout } from './trained-parameters.ts';

/** Standard deviation of weights, of the position embedding, of the class token (timm's `trunc_normal_(std=.02)`, `1e-6`). */
const weightDeviation = 0.02;
const classTokenDeviation = 1e-6;

/** How the matrices of linear layers are drawn. */
export const initializations = ['truncated-normal', 'xavier-uniform'] as const;

/**
 * `truncated-normal`: standard deviation 0.02 whatever the width, timm's and DeiT's. `xavier-uniform`: `U(−a, a)` with
 * `a = √(6 / (inputs + outputs))`, the original Vision Transformer's (arXiv 2010.11929; timm's `jax`), of which narrow networks learn faster.
 */
export type Initialization = (typeof initializations)[number];

/** `N(0, deviation²)` within two deviations. */
function truncatedNormal(random: RandomGenerator, deviation: number): number {
  for (;;) {
    const value = random.normal();
    if (Math.abs(value) <= 2) return value * deviation;
  }
}

/**
 * A vector of fresh weights: norms are ones and zeros, biases zeros, the patch embedding as PyTorch initialises a convolution
 * (`U(−1/√inputs, 1/√inputs)`), a method's as it says, everything else truncated normal or, if a matrix and
 * asked for, Xavier uniform. Each parameter is drawn from its own fork of the seed.
 * @param positions a sine-cosine position embedding in place of a random one.
 * @throws {DiffrateError} where such positions do not fit the network.
 */
export function initialWeights(
  layout: ParameterLayout,
  seed: number,
  initialization: Initialization = 'truncated-normal',
  positions?: SinusoidalPositions,
): Float32Array {
  const vector = new Float32Array(layout.length);
  for (const parameter of layout.parameters) {
    const { name, shape } = parameter;
    const values = partOf(vector, parameter);
    const random = new RandomGenerator(seed).fork('initialization', name);
    if (parameter.initial !== undefined) {
      values.fill(parameter.initial);
    } else if (/norm\d?\.weight$/.test(name)) {
      values.fill(1);
    } else if (name === 'cls_token') {
      for (let index = 0; index < values.length; index++) values[index] = random.normal() * classTokenDeviation;
    } else if (name.startsWith('patch_embed.proj')) {
      const patch = layout.parameters.find((other) => other.name === 'patch_embed.proj.weight')?.shape ?? shape;
      const bound = 1 / Math.sqrt(patch.slice(1).reduce((product, size) => product * size, 1));
      for (let index = 0; index < values.length; index++) values[index] = random.uniform(-bound, bound);
    } else if (positions !== undefined && name === 'pos_embed') {
      values.set(sinusoidalPositions(shape[1] ?? 1, shape[2] ?? 1, positions));
    } else if (initialization === 'xavier-uniform' && shape.length === 2) {
      // Query, key and value are three matrices in one.
      const outputs = name.endsWith('qkv.weight') ? (shape[0] ?? 1) / 3 : (shape[0] ?? 1);
      const bound = Math.sqrt(6 / (outputs + (shape[1] ?? 1)));
      for (let index = 0; index < values.length; index++) values[index] = random.uniform(-bound, bound);
    } else if (!name.endsWith('.bias')) {
      for (let index = 0; index < values.length; index++) values[index] = truncatedNormal(random, weightDeviation);
    }
  }
  return vector;
}
