/** Layers on one vector, in plain loops. */

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
