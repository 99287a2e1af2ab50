/**
 * RandAugment's geometric operations: Pillow's `Image.transform(size, AFFINE, …)` and
 * `Image.rotate` with its bilinear and bicubic filters (cubic convolution with a = −1, values
 * truncated), bit for bit. What comes from outside is a fill colour.
 */

import type { Interpolation, RgbImage } from '../pillow-resize.ts';

/** How pixels between pixels and pixels outside are found. */
export interface Geometry {
  readonly interpolation: Interpolation;
  /** Red, green, blue. */
  readonly fill: readonly [number, number, number];
}

/**
 * `(a, b, c, d, e, f)`: the pixel at `(x, y)` comes from `(a·x + b·y + c, d·x + e·y + f)`, centres
 * at half a pixel.
 */
export type AffineMatrix = readonly [number, number, number, number, number, number];

/** Turns the image counter-clockwise around its centre, by less than 90 degrees either way. */
export function rotate(image: RgbImage, degrees: number, geometry: Geometry): RgbImage {
  if (degrees % 360 === 0) return image;
  const { width, height } = image;
  const angle = -(((degrees % 360) + 360) % 360) * (Math.PI / 180);
  const cosine = roundTo15Digits(Math.cos(angle));
  const sine = roundTo15Digits(Math.sin(angle));
  const x = width / 2;
  const y = height / 2;
  const c = cosine * -x + sine * -y + x;
  const f = roundTo15Digits(-Math.sin(angle)) * -x + cosine * -y + y;
  return transformAffine(image, [cosine, sine, c, -sine, cosine, f], geometry);
}

/** Moves rows sideways by `factor` times their height. */
export function shearX(image: RgbImage, factor: number, geometry: Geometry): RgbImage {
  return transformAffine(image, [1, factor, 0, 0, 1, 0], geometry);
}

/** Moves columns up or down by `factor` times their distance from the left. */
export function shearY(image: RgbImage, factor: number, geometry: Geometry): RgbImage {
  return transformAffine(image, [1, 0, 0, factor, 1, 0], geometry);
}

/** Moves the image sideways by a share of its width. */
export function translateX(image: RgbImage, share: number, geometry: Geometry): RgbImage {
  return transformAffine(image, [1, 0, share * image.width, 0, 1, 0], geometry);
}

/** Moves the image up or down by a share of its height. */
export function translateY(image: RgbImage, share: number, geometry: Geometry): RgbImage {
  return transformAffine(image, [1, 0, 0, 0, 1, share * image.height], geometry);
}

/** The image of the same size whose pixels come from where `matrix` says. */
export function transformAffine(image: RgbImage, matrix: AffineMatrix, geometry: Geometry): RgbImage {
  const { data, width, height } = image;
  const [a, b, c, d, e, f] = matrix;
  const [red, green, blue] = geometry.fill;
  const result = new Uint8Array(width * height * 3);
  const sample = geometry.interpolation === 'bicubic' ? sampleBicubic : sampleBilinear;
  let to = 0;
  for (let row = 0; row < height; row++) {
    const y = row + 0.5;
    for (let column = 0; column < width; column++, to += 3) {
      const x = column + 0.5;
      const fromX = a * x + b * y + c;
      const fromY = d * x + e * y + f;
      if (fromX >= 0 && fromX < width && fromY >= 0 && fromY < height) {
        sample(data, width, height, fromX - 0.5, fromY - 0.5, result, to);
      } else {
        result[to] = red;
        result[to + 1] = green;
        result[to + 2] = blue;
      }
    }
  }
  return { data: result, width, height, channels: 3 };
}

type Bytes = RgbImage['data'];

function sampleBilinear(
  data: Bytes,
  width: number,
  height: number,
  x: number,
  y: number,
  result: Uint8Array,
  to: number,
): void {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const dx = x - left;
  const dy = y - top;
  const x0 = Math.max(left, 0) * 3;
  const x1 = Math.min(left + 1, width - 1) * 3;
  const y0 = Math.max(top, 0) * width * 3;
  const y1 = Math.min(top + 1, height - 1) * width * 3;
  for (let channel = 0; channel < 3; channel++) {
    const upper = data[y0 + x0 + channel]! + (data[y0 + x1 + channel]! - data[y0 + x0 + channel]!) * dx;
    const lower = data[y1 + x0 + channel]! + (data[y1 + x1 + channel]! - data[y1 + x0 + channel]!) * dx;
    result[to + channel] = upper + (lower - upper) * dy;
  }
}

function sampleBicubic(
  data: Bytes,
  width: number,
  height: number,
  x: number,
  y: number,
  result: Uint8Array,
  to: number,
): void {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const dx = x - left;
  const dy = y - top;
  const x0 = Math.max(left - 1, 0) * 3;
  const x1 = Math.max(left, 0) * 3;
  const x2 = Math.min(left + 1, width - 1) * 3;
  const x3 = Math.min(left + 2, width - 1) * 3;
  const stride = width * 3;
  const y1 = Math.max(top, 0) * stride;
  for (let channel = 0; channel < 3; channel++) {
    const middle = y1 + channel;
    let value: number;
    if (dy === 0) {
      // The cubic in y is then its second value exactly: shears and translations in x read one row.
      value = cubic(data[middle + x0]!, data[middle + x1]!, data[middle + x2]!, data[middle + x3]!, dx);
    } else {
      const row0 = Math.max(top - 1, 0) * stride + channel;
      const row2 = Math.min(top + 1, height - 1) * stride + channel;
      const row3 = Math.min(top + 2, height - 1) * stride + channel;
      value =
        dx === 0
          ? cubic(data[row0 + x1]!, data[middle + x1]!, data[row2 + x1]!, data[row3 + x1]!, dy)
          : cubic(
              cubic(data[row0 + x0]!, data[row0 + x1]!, data[row0 + x2]!, data[row0 + x3]!, dx),
              cubic(data[middle + x0]!, data[middle + x1]!, data[middle + x2]!, data[middle + x3]!, dx),
              cubic(data[row2 + x0]!, data[row2 + x1]!, data[row2 + x2]!, data[row2 + x3]!, dx),
              cubic(data[row3 + x0]!, data[row3 + x1]!, data[row3 + x2]!, data[row3 + x3]!, dx),
              dy,
            );
    }
    result[to + channel] = value <= 0 ? 0 : value >= 255 ? 255 : value;
  }
}

/** Between `v1` and `v2`; the order of operations is Pillow's, because results are truncated. */
function cubic(v0: number, v1: number, v2: number, v3: number, d: number): number {
  const p2 = v2 - v0;
  const p3 = 2 * (v0 - v1) + v2 - v3;
  const p4 = v1 - v0 - v2 + v3;
  return v1 + d * (p2 + d * (p3 + d * p4));
}

/** Python's `round(value, 15)`, which `Image.rotate` applies so that right angles are exact. */
function roundTo15Digits(value: number): number {
  return Number(value.toFixed(15));
}
