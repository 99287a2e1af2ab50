/**
 * Uniform numbers from a seed (mulberry32).
 * Orders and schedules made of them are the same for the same seed, wherever they are made.
 */

/** `count` numbers in [0, 1). */
export function uniformNumbers(count: number, seed: number): Float32Array {
  let state = (seed * 0x9e3779b9) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  });
}
