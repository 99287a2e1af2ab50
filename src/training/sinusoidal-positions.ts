/**
 * Two-dimensional sine-cosine position embedding (MoCo v3, arXiv 2104.02057, section 4; MAE's start) as initial values of the trained one. Tokens that are
 * neighbours then begin alike, so that attention finds them: a network of small patches learns several times faster than from random positions.
 */
import { DiffrateError } from '../errors.ts';

/** How the waves are laid out. */
export interface SinusoidalPositions {
  /** Frequencies fall from 1 towards 1 / temperature per patch; published: 10,000. A small grid wants less. */
  readonly temperature: number;
}

/**
 * Values `[1, N, C]`, flat: a zero row for the class token, then per patch `[sin(x·w), cos(x·w), sin(y·w), cos(y·w)]` with C/4 frequencies
 * `w_k = temperature^(−k / (C/4))` and the patch's column x and row y.
 * @param tokens N: one class token and a square grid of patches.
 * @throws {DiffrateError} if C is not divisible by 4, or the patches make no square.
 */
export function sinusoidalPositions(tokens: number, width: number, { temperature }: SinusoidalPositions): Float32Array {
  const side = Math.sqrt(tokens - 1);
  if (!Number.isInteger(side) || width % 4 !== 0) {
    throw new DiffrateError(
      `Sinusoidal positions need a square grid of patches and a width divisible by 4, not ${tokens - 1} patches of width ${width}: leave out "sinusoidalPositions".`,
    );
  }
  const frequencies = width / 4;
  const values = new Float32Array(tokens * width);
  for (let patch = 0; patch < side * side; patch++) {
    const places = [patch % side, Math.floor(patch / side)];
    for (const [axis, place] of places.entries()) {
      const start = (patch + 1) * width + axis * 2 * frequencies;
      for (let k = 0; k < frequencies; k++) {
        const angle = place * temperature ** (-k / frequencies);
        values[start + k] = Math.sin(angle);
        values[start + frequencies + k] = Math.cos(angle);
      }
    }
  }
  return values;
}
