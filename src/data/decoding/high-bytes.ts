/**
 * 16 bits per colour to 8: the high byte, as transformers.js and browsers take it. Scanners,
 * cameras and medical devices often use a part of the range only, of which little is left then.
 */

/** What is left of the values. */
export interface HighBytes {
  readonly data: Uint8Array;
  /** A clause that says so where most of the picture is lost. */
  readonly warning?: string | undefined;
}

/** From here on one value counts as most of an image. */
const mostOfAnImage = 0.95;
/** So few of the 256 levels are hardly a picture. */
const fewLevels = 16;

/**
 * The high byte of each value.
 * A picture that was of one value or of few values before, such as white paper, loses nothing.
 */
export function highBytes(values: Uint16Array): HighBytes {
  const data = new Uint8Array(values.length);
  const before = new Uint32Array(65_536);
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    data[index] = value >> 8;
    before[value]! += 1;
  }
  const after = new Uint32Array(256);
  for (let value = 0; value < before.length; value++) after[value >> 8]! += before[value]!;
  const levels = { before: count(before), after: count(after) };
  const share = (histogram: Uint32Array): number => histogram.reduce((a, b) => Math.max(a, b), 0) / values.length;
  const oneValue = share(after) >= mostOfAnImage && share(before) < mostOfAnImage;
  if (!oneValue && !(levels.after <= fewLevels && levels.before > 4 * levels.after)) return { data };
  const rest = oneValue ? `${Math.floor(100 * share(after))} % of it are one value` : `${levels.after} levels are left`;
  return {
    data,
    warning: `has 16 bits per colour, and of their high bytes ${rest}: scale its values to 0 to 65535, or save it with 8 bits`,
  };
}

const count = (histogram: Uint32Array): number => histogram.reduce((sum, times) => sum + (times > 0 ? 1 : 0), 0);
