/**
 * Pillow's operations as its documentation and sources define them, written as plainly as possible,
 * one value at a time and in other arithmetic than `src/data/rand-augment`: what the fast ones are
 * compared with on any image.
 */

import type { RgbImage } from '../../../src/data/pillow-resize.ts';
import type { AffineMatrix, Geometry } from '../../../src/data/rand-augment/affine.ts';

/** One channel, `[height][width]`. */
type Plane = number[][];

function planes({ data, width, height }: RgbImage): Plane[] {
  return [0, 1, 2].map((channel) =>
    Array.from({ length: height }, (_, y) =>
      Array.from({ length: width }, (_, x) => data[(y * width + x) * 3 + channel] ?? -1),
    ),
  );
}

function image(channels: readonly Plane[]): number[] {
  const [red = []] = channels;
  return red.flatMap((row, y) => row.flatMap((_, x) => channels.map((plane) => plane[y]?.[x] ?? -1)));
}

const clip = (value: number): number => Math.min(255, Math.max(0, Math.trunc(value)));
const each = (plane: Plane, rule: (value: number) => number): Plane => plane.map((row) => row.map(rule));

/** "Maps lightest to white and darkest to black", per channel. */
export function autocontrast(source: RgbImage): number[] {
  const stretch = (plane: Plane): Plane => {
    const low = Math.min(...plane.flat());
    const high = Math.max(...plane.flat());
    return each(plane, (value) =>
      high > low ? clip(value * (255 / (high - low)) + -low * (255 / (high - low))) : value,
    );
  };
  return image(planes(source).map(stretch));
}

/**
 * `lut[v] = (step / 2 + number of values below v) / step` in integers, where step is all but the
 * brightest level over 255.
 */
export function equalize(source: RgbImage): number[] {
  const even = (plane: Plane): Plane => {
    const values = plane.flat();
    const brightest = Math.max(...values);
    const step = Math.floor(values.filter((value) => value !== brightest).length / 255);
    if (step === 0) return plane;
    const belowOf = Array.from({ length: 256 }, (_, value) => values.filter((other) => other < value).length);
    return each(plane, (value) => clip((Math.floor(step / 2) + (belowOf[value] ?? -1)) / step));
  };
  return image(planes(source).map(even));
}

/** Keeps the highest bits: what is left of the division by 2^(8 − bits) is taken away. */
export function posterize(source: RgbImage, bits: number): number[] {
  const unit = 2 ** (8 - bits);
  return [...source.data].map((value) => value - (value % unit));
}

/** Inverts all values above the threshold, and at it. */
export function solarize(source: RgbImage, threshold: number): number[] {
  return [...source.data].map((value) => (value >= threshold ? 255 - value : value));
}

/** timm's `solarize_add`. */
export function solarizeAdd(source: RgbImage, addition: number): number[] {
  return [...source.data].map((value) => (value < 128 ? Math.min(255, value + addition) : value));
}

/** L = R · 299/1000 + G · 587/1000 + B · 114/1000, in Pillow's 16-bit fixed point, rounded. */
function greys(source: RgbImage): Plane {
  const [red = [], green = [], blue = []] = planes(source);
  return red.map((row, y) =>
    row.map((r, x) => {
      const sum = r * 19595 + (green[y]?.[x] ?? 0) * 38470 + (blue[y]?.[x] ?? 0) * 7471;
      return Math.floor(sum / 65536 + 0.5);
    }),
  );
}

/** `Image.blend(degenerate, image, factor)`: values before they are truncated to whole numbers. */
function blend(degenerate: readonly Plane[], source: RgbImage, factor: number): number[] {
  const blended = planes(source).map((plane, channel) =>
    plane.map((row, y) =>
      row.map((value, x) => {
        const without = degenerate[channel]?.[y]?.[x] ?? 0;
        return Math.min(255, Math.max(0, without * (1 - factor) + value * factor));
      }),
    ),
  );
  return image(blended);
}

/** `ImageEnhance.Color`. */
export function adjustColour(source: RgbImage, factor: number): number[] {
  const grey = greys(source);
  return blend([grey, grey, grey], source, factor);
}

/** `ImageEnhance.Contrast`. */
export function adjustContrast(source: RgbImage, factor: number): number[] {
  const values = greys(source).flat();
  const mean = Math.floor(values.reduce((sum, value) => sum + value, 0) / values.length + 0.5);
  return blend(
    planes(source).map((plane) => each(plane, () => mean)),
    source,
    factor,
  );
}

/** `ImageEnhance.Brightness`. */
export function adjustBrightness(source: RgbImage, factor: number): number[] {
  return blend(
    planes(source).map((plane) => each(plane, () => 0)),
    source,
    factor,
  );
}

/** `ImageEnhance.Sharpness`, with `ImageFilter.SMOOTH`. */
export function adjustSharpness(source: RgbImage, factor: number): number[] {
  const smooth = (plane: Plane): Plane =>
    plane.map((row, y) =>
      row.map((value, x) => {
        if (y === 0 || x === 0 || y === source.height - 1 || x === source.width - 1) return value;
        let sum = 4 * value;
        for (const dy of [-1, 0, 1]) for (const dx of [-1, 0, 1]) sum += plane[y + dy]?.[x + dx] ?? 0;
        return Math.floor(sum / 13 + 0.5);
      }),
    );
  return blend(planes(source).map(smooth), source, factor);
}

/**
 * Weights of the four (bicubic, a = −1) or two (bilinear) neighbours at a distance `d` behind the
 * second or first.
 */
function weights(interpolation: Geometry['interpolation'], d: number): { offset: number; weight: number }[] {
  if (interpolation === 'bilinear') {
    return [
      { offset: 0, weight: 1 - d },
      { offset: 1, weight: d },
    ];
  }
  const near = (t: number): number => t ** 3 - 2 * t ** 2 + 1;
  const far = (t: number): number => -(t ** 3) + 5 * t ** 2 - 8 * t + 4;
  return [
    { offset: -1, weight: far(1 + d) },
    { offset: 0, weight: near(d) },
    { offset: 1, weight: near(1 - d) },
    { offset: 2, weight: far(2 - d) },
  ];
}

/** `Image.transform(size, AFFINE, matrix)`: values before they are truncated to whole numbers. */
export function transformAffine(source: RgbImage, matrix: AffineMatrix, geometry: Geometry): number[] {
  const [a, b, c, d, e, f] = matrix;
  const { width, height } = source;
  const transformed = planes(source).map((plane, channel) =>
    plane.map((row, y) =>
      row.map((_, x) => {
        const fromX = a * (x + 0.5) + b * (y + 0.5) + c;
        const fromY = d * (x + 0.5) + e * (y + 0.5) + f;
        if (fromX < 0 || fromY < 0 || fromX >= width || fromY >= height) return geometry.fill[channel] ?? -1;
        const left = Math.floor(fromX - 0.5);
        const top = Math.floor(fromY - 0.5);
        let sum = 0;
        for (const vertical of weights(geometry.interpolation, fromY - 0.5 - top)) {
          const line = plane[Math.min(height - 1, Math.max(0, top + vertical.offset))] ?? [];
          for (const horizontal of weights(geometry.interpolation, fromX - 0.5 - left)) {
            const value = line[Math.min(width - 1, Math.max(0, left + horizontal.offset))] ?? -1;
            sum += vertical.weight * horizontal.weight * value;
          }
        }
        return Math.min(255, Math.max(0, sum));
      }),
    ),
  );
  return image(transformed);
}
