/**
 * Image resizing with the arithmetic of Pillow's 8-bit resampling (`Image.resize`, what torchvision
 * and timm evaluate with), bit for bit: a filter widened by the scale when shrinking, weights in
 * 22-bit fixed point, one horizontal and one vertical pass, each rounded and clipped to 8 bits.
 * Only the wanted part of the result is computed.
 */

/**
 * An 8-bit image, rows from top to bottom, interleaved; a fourth channel, where there is one, is
 * ignored.
 */
export interface RgbImage {
  /** `[height, width, channels]`. */
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  readonly channels: 3 | 4;
}

/** A rectangle in pixels. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A part of an image between pixels or across them: `left` and `top` of the first one are 0. */
export interface PixelBox {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** The two filters that pre-trained ViTs are evaluated with. */
export type Interpolation = 'bicubic' | 'bilinear';

/** What to resize to, and which parts matter. */
export interface ResizeOptions {
  /** Size of the whole result in pixels, before `window` is cut out of it. */
  readonly width: number;
  readonly height: number;
  readonly interpolation: Interpolation;
  /**
   * The part of the source that is resized, as if it had been cropped first; everything if absent.
   */
  readonly region?: Region;
  /**
   * The part of the source that is spread over the result, Pillow's `box`; pixels beside it count
   * where the filter reaches them. Default all of `region`, and no other choice beside a `region`.
   */
  readonly box?: PixelBox | undefined;
  /** The part of the result that is computed and returned; everything if absent. */
  readonly window?: Region;
}

/** 32 bits, less 8 of the pixel, less 2 because weights can be negative and sum above one. */
const PRECISION_BITS = 32 - 8 - 2;
const ONE = 2 ** PRECISION_BITS;
const HALF = 2 ** (PRECISION_BITS - 1);

/**
 * For each output position: where its source positions start, how many they are, and their
 * fixed-point weights.
 */
interface Coefficients {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  readonly weights: Int32Array;
  /** Weights are laid out `[outputs, stride]`. */
  readonly stride: number;
}

const SUPPORT: Record<Interpolation, number> = { bilinear: 1, bicubic: 2 };

function filterValue(interpolation: Interpolation, offset: number): number {
  const x = Math.abs(offset);
  if (interpolation === 'bilinear') return x < 1 ? 1 - x : 0;
  // Keys' cubic convolution with a = −0.5, factored as Pillow does: another order of operations
  // rounds differently.
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** One side of a source, and the part of it that becomes the result. */
interface Span {
  /** Pixels. */
  readonly size: number;
  readonly from: number;
  readonly to: number;
}

function computeCoefficients(span: Span, outputSize: number, interpolation: Interpolation): Coefficients {
  const { size: inputSize, from, to } = span;
  const scale = (to - from) / outputSize;
  const filterScale = Math.max(scale, 1);
  const support = SUPPORT[interpolation] * filterScale;
  const inverse = 1 / filterScale;
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(outputSize);
  const counts = new Int32Array(outputSize);
  const weights = new Int32Array(outputSize * stride);
  const row = new Float64Array(stride);
  for (let output = 0; output < outputSize; output++) {
    const centre = from + (output + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - support + 0.5), 0);
    const count = Math.min(Math.trunc(centre + support + 0.5), inputSize) - start;
    let sum = 0;
    for (let tap = 0; tap < count; tap++) {
      const weight = filterValue(interpolation, (tap + start - centre + 0.5) * inverse);
      row[tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < count; tap++) {
      const weight = (row[tap] ?? 0) / (sum === 0 ? 1 : sum);
      weights[output * stride + tap] = Math.trunc((weight < 0 ? -0.5 : 0.5) + weight * ONE);
    }
    starts[output] = start;
    counts[output] = count;
  }
  return { starts, counts, weights, stride };
}

const COEFFICIENT_CACHE_SIZE = 128;
const coefficientCache = new Map<string, Coefficients>();

function coefficientsFor(span: Span, outputSize: number, interpolation: Interpolation): Coefficients {
  const key = `${span.size} ${span.from} ${span.to} ${outputSize} ${interpolation}`;
  let coefficients = coefficientCache.get(key);
  if (coefficients === undefined) {
    coefficients = computeCoefficients(span, outputSize, interpolation);
    const oldest = coefficientCache.keys().next();
    if (coefficientCache.size >= COEFFICIENT_CACHE_SIZE && !oldest.done) coefficientCache.delete(oldest.value);
    coefficientCache.set(key, coefficients);
  }
  return coefficients;
}

/** Rows of pixels to read from: `data[offset + y·rowStride + x·channels + channel]`. */
interface Rows {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly offset: number;
  readonly rowStride: number;
  readonly channels: number;
}

/**
 * Resamples along x: columns `left … left + width − 1` of the result, rows `top … top + height − 1`
 * of the source.
 */
function resampleHorizontally(source: Rows, wanted: Region, coefficients: Coefficients): Rows {
  const { data, offset, rowStride, channels } = source;
  const { left, top, width, height } = wanted;
  const { starts, counts, weights, stride } = coefficients;
  const result = new Uint8ClampedArray(width * height * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const rowStart = offset + (top + y) * rowStride;
    for (let x = 0; x < width; x++) {
      const output = left + x;
      let weightIndex = output * stride;
      const weightEnd = weightIndex + counts[output]!;
      let from = rowStart + starts[output]! * channels;
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      for (; weightIndex < weightEnd; weightIndex++) {
        const weight = weights[weightIndex]!;
        red = (red + Math.imul(data[from]!, weight)) | 0;
        green = (green + Math.imul(data[from + 1]!, weight)) | 0;
        blue = (blue + Math.imul(data[from + 2]!, weight)) | 0;
        from += channels;
      }
      // A clamped array clips to 0…255 on assignment.
      result[to] = red >> PRECISION_BITS;
      result[to + 1] = green >> PRECISION_BITS;
      result[to + 2] = blue >> PRECISION_BITS;
      to += 3;
    }
  }
  return { data: result, offset: -top * width * 3, rowStride: width * 3, channels: 3 };
}

/**
 * Resamples along y: rows `top … top + height − 1` of the result, columns `left … left + width − 1`
 * of the source.
 */
function resampleVertically(source: Rows, wanted: Region, coefficients: Coefficients): Rows {
  const { data, offset, rowStride, channels } = source;
  const { left, top, width, height } = wanted;
  const { starts, counts, weights, stride } = coefficients;
  const result = new Uint8ClampedArray(width * height * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const output = top + y;
    const weightStart = output * stride;
    const weightEnd = weightStart + counts[output]!;
    const columnStart = offset + starts[output]! * rowStride + left * channels;
    for (let x = 0; x < width; x++) {
      let from = columnStart + x * channels;
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      for (let weightIndex = weightStart; weightIndex < weightEnd; weightIndex++) {
        const weight = weights[weightIndex]!;
        red = (red + Math.imul(data[from]!, weight)) | 0;
        green = (green + Math.imul(data[from + 1]!, weight)) | 0;
        blue = (blue + Math.imul(data[from + 2]!, weight)) | 0;
        from += rowStride;
      }
      result[to] = red >> PRECISION_BITS;
      result[to + 1] = green >> PRECISION_BITS;
      result[to + 2] = blue >> PRECISION_BITS;
      to += 3;
    }
  }
  return { data: result, offset: 0, rowStride: width * 3, channels: 3 };
}

function copyPixels(source: Rows, wanted: Region): Uint8Array {
  const { data, offset, rowStride, channels } = source;
  const result = new Uint8Array(wanted.width * wanted.height * 3);
  let to = 0;
  for (let y = 0; y < wanted.height; y++) {
    let from = offset + (wanted.top + y) * rowStride + wanted.left * channels;
    if (channels === 3) {
      result.set(data.subarray(from, from + wanted.width * 3), to);
      to += wanted.width * 3;
      continue;
    }
    for (let x = 0; x < wanted.width; x++) {
      result[to] = data[from]!;
      result[to + 1] = data[from + 1]!;
      result[to + 2] = data[from + 2]!;
      to += 3;
      from += channels;
    }
  }
  return result;
}

/**
 * Resizes `region` of an image to `width × height` and returns `window` of that, RGB
 * `[height, width, 3]`. Equal, byte for byte, to Pillow's
 * `image.crop(region).resize((width, height), filter, box).crop(window)`.
 * @throws RangeError if `region`, `box` or `window` reaches outside, or a size is not a positive
 *   integer (a caller's defect).
 */
export function resizeImage(source: RgbImage, options: ResizeOptions): RgbImage {
  const { width, height, interpolation } = options;
  const region = options.region ?? { left: 0, top: 0, width: source.width, height: source.height };
  const window = options.window ?? { left: 0, top: 0, width, height };
  requireInside('region', region, source.width, source.height);
  requireInside('window', window, width, height);

  let rows: Rows = {
    data: source.data,
    offset: (region.top * source.width + region.left) * source.channels,
    rowStride: source.width * source.channels,
    channels: source.channels,
  };
  let remaining = window;
  const box = options.box ?? { left: 0, top: 0, right: region.width, bottom: region.height };
  requireBox(box, region);
  const across = { size: region.width, from: box.left, to: box.right };
  const down = { size: region.height, from: box.top, to: box.bottom };
  const vertical = isWhole(down, height) ? undefined : coefficientsFor(down, height, interpolation);
  if (!isWhole(across, width)) {
    // The vertical pass reads these rows only.
    const last = window.top + window.height - 1;
    const top = vertical ? vertical.starts[window.top]! : window.top;
    const bottom = vertical ? vertical.starts[last]! + vertical.counts[last]! : last + 1;
    const wanted = { left: window.left, top, width: window.width, height: bottom - top };
    rows = resampleHorizontally(rows, wanted, coefficientsFor(across, width, interpolation));
    remaining = { ...window, left: 0 };
  }
  if (vertical) {
    rows = resampleVertically(rows, remaining, vertical);
  }
  // What a pass wrote is exactly the window; a mere crop is copied, so that the result never shares
  // the source's memory.
  const data = rows.data === source.data ? copyPixels(rows, window) : rows.data;
  return { data, width: window.width, height: window.height, channels: 3 };
}

/** Whether each pixel stays what it is. */
const isWhole = ({ size, from, to }: Span, outputSize: number): boolean =>
  from === 0 && to === size && size === outputSize;

function requireBox({ left, top, right, bottom }: PixelBox, { width, height }: Region): void {
  if (left >= 0 && top >= 0 && left < right && top < bottom && right <= width && bottom <= height) return;
  throw new RangeError(`box ${left}, ${top}, ${right}, ${bottom} does not lie inside ${width}×${height} pixels`);
}

function requireInside(name: string, region: Region, width: number, height: number): void {
  const { left, top } = region;
  const integers = [left, top, region.width, region.height, width, height].every((value) => Number.isInteger(value));
  const inside = left >= 0 && top >= 0 && left + region.width <= width && top + region.height <= height;
  if (!integers || !inside || region.width < 1 || region.height < 1) {
    throw new RangeError(`${name} ${JSON.stringify(region)} does not lie inside ${width}×${height} pixels`);
  }
}
