/** Layers on one vector, and the predictor of DynamicViT and SPViT, in plain loops. */
import { float32Values } from '../../../src/checkpoints/weights.ts';
import type { Weights } from '../../../src/checkpoints/weights.ts';

/** `W·x + b`, the weight row by row. */
export function affinePlainly(x: readonly number[], weight: Float32Array, bias: Float32Array): number[] {
  return Array.from(bias, (start, row) =>
    x.reduce((sum, value, column) => sum + value * (weight[row * x.length + column] ?? 0), start),
  );
}

/** Layer normalisation. */
export function normalizedPlainly(
  x: readonly number[],
  scale: Float32Array,
  shift: Float32Array,
  epsilon: number,
): number[] {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  return x.map(
    (value, index) => ((value - mean) / Math.sqrt(variance + epsilon)) * (scale[index] ?? 1) + (shift[index] ?? 0),
  );
}

/** `x·Φ(x)`, with Φ from erf's series; beyond 5 it is 0 or 1 in float64. */
export function geluPlainly(x: number): number {
  const z = x / Math.SQRT2;
  if (Math.abs(z) > 5) return z > 0 ? x : 0;
  let [sum, term] = [z, z];
  for (let n = 1; Math.abs(term) > 1e-17 && n < 200; n++) {
    term *= -(z * z) / n;
    sum += term / (2 * n + 1);
  }
  return (x * (1 + (2 / Math.sqrt(Math.PI)) * sum)) / 2;
}

/** A linear layer by its name. */
export function layerPlainly(x: readonly number[], weights: Weights, name: string): number[] {
  return affinePlainly(x, valuesOf(weights, `${name}.weight`), valuesOf(weights, `${name}.bias`));
}

function valuesOf(weights: Weights, name: string): Float32Array {
  const weight = weights.get(name);
  if (weight === undefined) throw new Error(`there is no ${name}`);
  return float32Values(weight);
}

/**
 * The predictor on one image's tokens: score for staying less score for going; means are over the
 * tokens that are there.
 */
export function predictPlainly(
  tokens: readonly (readonly number[])[],
  there: readonly number[],
  weights: Weights,
  name: string,
): number[] {
  const half = Math.max(1, Math.floor((tokens[0] ?? []).length / 2));
  const embedded = tokens.map((token) => {
    const [scale, shift] = [valuesOf(weights, `${name}.norm.weight`), valuesOf(weights, `${name}.norm.bias`)];
    return layerPlainly(normalizedPlainly(token, scale, shift, 1e-5), weights, `${name}.input`).map(geluPlainly);
  });
  const live = there.reduce((sum, value) => sum + value, 0);
  const mean = (embedded[0] ?? [])
    .slice(half)
    .map(
      (_, channel) =>
        embedded.reduce((sum, own, token) => sum + (own[half + channel] ?? 0) * (there[token] ?? 0), 0) / live,
    );
  return embedded.map((own) => {
    const first = layerPlainly([...own.slice(0, half), ...mean], weights, `${name}.first`).map(geluPlainly);
    const second = layerPlainly(first, weights, `${name}.second`).map(geluPlainly);
    const [staying = 0, going = 0] = layerPlainly(second, weights, `${name}.output`);
    return staying - going;
  });
}
