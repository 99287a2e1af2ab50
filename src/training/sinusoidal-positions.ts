/**
 * Two-dimensional sine-cosine position embedding as initial values of the trained one.
 * It is that of MoCo v3 (arXiv 2104.02057, section 4), and MAE's start.
 * Tokens that are neighbours then begin alike, so that attention finds them.
 * A network of small patches learns several times faster than from random positions.
 */
import { DiffrateError } from '../errors.ts';
import { tokenCount } from '../reduction/token-layout.ts';
import type { TokenLayout } from '../reduction/token-layout.ts';

/** How the waves are laid out. */
export interface SinusoidalPositions {
  /**
   * Frequencies fall from 1 towards 1 / temperature per patch; published: 10,000. A small grid
   * wants less.
   */
  readonly temperature: number;
}

/**
 * Values `[1, N, C]`, flat: a row of zeros for each prefix token, then per patch
 * `[sin(x·w), cos(x·w), sin(y·w), cos(y·w)]`. There are C/4 frequencies
 * `w_k = temperature^(−k / (C/4))`; x is the patch's column and y its row.
 * @param layout the N tokens that have a position.
 * @param width C
 * @throws {DiffrateError} if C is not divisible by 4.
 */
export function sinusoidalPositions(
  layout: TokenLayout,
  width: number,
  { temperature }: SinusoidalPositions,
): Float32Array {
  if (width % 4 !== 0) {
    throw new DiffrateError(
      `Sinusoidal positions need a width divisible by 4, not ${width}: leave out "sinusoidalPositions".`,
    );
  }
  const {
    prefix,
    grid: [rows, columns],
  } = layout;
  const frequencies = width / 4;
  const values = new Float32Array(tokenCount(layout) * width);
  for (let patch = 0; patch < rows * columns; patch++) {
    const places = [patch % columns, Math.floor(patch / columns)];
    for (const [axis, place] of places.entries()) {
      const start = (prefix + patch) * width + axis * 2 * frequencies;
      for (let k = 0; k < frequencies; k++) {
        const angle = place * temperature ** (-k / frequencies);
        values[start + k] = Math.sin(angle);
        values[start + frequencies + k] = Math.cos(angle);
      }
    }
  }
  return values;
}
