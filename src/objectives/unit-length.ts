/** Features at unit length: `x / |x|`. */

/**
 * Shorter lengths count as this one: a feature of zeros stays zeros, and nothing is divided by 0.
 */
export const smallestLength = 1e-12;

/** One image's feature `[D]` at unit length, in float64. */
export function unitLength(row: Float32Array): Float64Array {
  const length = Math.max(Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)), smallestLength);
  return Float64Array.from(row, (value) => value / length);
}
