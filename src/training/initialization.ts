/**
 * Weights to train from scratch with, as timm's `vision_transformer.py` or the original Vision
 * Transformer draws them.
 */
import { RandomGenerator } from '../data/random.ts';
import { elementCount } from '../graph/tensor.ts';
import { gridTokens, tokenCount } from '../reduction/token-layout.ts';
import type { TokenLayout } from '../reduction/token-layout.ts';
import { sinusoidalPositions } from './sinusoidal-positions.ts';
import type { SinusoidalPositions } from './sinusoidal-positions.ts';
import { isOfTokens, partOf } from './trained-parameters.ts';
import type { ParameterLayout, TrainedParameter } from './trained-parameters.ts';

/**
 * Standard deviation of weights and the position embedding,
 * and of prefix tokens (timm's `trunc_normal_(std=.02)`, `1e-6`).
 */
const weightDeviation = 0.02;
const prefixTokenDeviation = 1e-6;

/** How the matrices of linear layers are drawn. */
export const initializations = ['truncated-normal', 'xavier-uniform'] as const;

/**
 * `truncated-normal`: standard deviation 0.02 whatever the width, timm's and DeiT's.
 * `xavier-uniform`: `U(−a, a)` with `a = √(6 / (inputs + outputs))`, of which narrow networks learn
 * faster. That is the original Vision Transformer's (arXiv 2010.11929; timm's `jax`).
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
 * A vector of fresh weights.
 * Norms are ones and zeros, biases zeros, and prefix tokens nearly zeros.
 * Convolutions (the patch embedding) are as PyTorch initialises them, `U(−1/√inputs, 1/√inputs)`.
 * A method's parameters are as it says.
 * Everything else is truncated normal or, if a matrix and asked for, Xavier uniform.
 * Each parameter is drawn from its own fork of the seed.
 * @param tokens of the network.
 * @param positions a sine-cosine position embedding in place of a random one.
 * @throws {DiffrateError} where such positions do not fit the network.
 */
export function initialWeights(
  layout: ParameterLayout,
  tokens: TokenLayout,
  seed: number,
  initialization: Initialization = 'truncated-normal',
  positions?: SinusoidalPositions,
): Float32Array {
  const vector = new Float32Array(layout.length);
  for (const parameter of layout.parameters) {
    const { name, shape, initial } = parameter;
    const values = partOf(vector, parameter);
    const random = new RandomGenerator(seed).fork('initialization', name);
    const draw = (value: () => number): void => {
      for (let index = 0; index < values.length; index++) values[index] = value();
    };
    const convolution = convolutionOf(layout, parameter);
    const hasPositions = isOfTokens(shape) && isPerToken(shape, tokens);
    if (initial !== undefined) {
      values.fill(initial);
    } else if (/norm\d?\.weight$/.test(name)) {
      values.fill(1);
    } else if (isOfTokens(shape) && !hasPositions) {
      draw(() => random.normal() * prefixTokenDeviation);
    } else if (convolution !== undefined) {
      const bound = 1 / Math.sqrt(elementCount(convolution.slice(1)));
      draw(() => random.uniform(-bound, bound));
    } else if (positions !== undefined && hasPositions) {
      const prefix = (shape[1] ?? 0) - gridTokens(tokens);
      values.set(sinusoidalPositions({ ...tokens, prefix }, shape[2] ?? 1, positions));
    } else if (initialization === 'xavier-uniform' && shape.length === 2) {
      // Query, key and value are three matrices in one.
      const outputs = name.endsWith('qkv.weight') ? (shape[0] ?? 1) / 3 : (shape[0] ?? 1);
      const bound = Math.sqrt(6 / (outputs + (shape[1] ?? 1)));
      draw(() => random.uniform(-bound, bound));
    } else if (!name.endsWith('.bias')) {
      draw(() => truncatedNormal(random, weightDeviation));
    }
  }
  return vector;
}

/**
 * Whether a parameter `[1, n, C]` has a row for every token, or for every patch: position
 * embeddings do.
 */
function isPerToken([, rows]: readonly number[], tokens: TokenLayout): boolean {
  return rows === tokenCount(tokens) || rows === gridTokens(tokens);
}

/** The weights `[O, I, h, w]` of the convolution that a parameter is a part of. */
function convolutionOf({ parameters }: ParameterLayout, { name }: TrainedParameter): readonly number[] | undefined {
  const weight = name.replace(/\.bias$/, '.weight');
  const shape = parameters.find((other) => other.name === weight)?.shape;
  return shape?.length === 4 ? shape : undefined;
}
