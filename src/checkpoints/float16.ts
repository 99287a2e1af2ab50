/** IEEE 754 binary16 (halves, as their bits) from binary32 and back, for weights. */

const largestFinite = 0x7bff;
const infinityBits = 0x7f800000;
/** Bits of 65520, from where rounding would give infinity. */
const overflowBits = 0x477ff000;
/** Bits of 2⁻¹⁴, the smallest normal half. */
const smallestNormalBits = 0x38800000;
/** Halves below the smallest normal one are multiples of 2⁻²⁴. */
const subnormalScale = 2 ** 24;

/**
 * The values as bits of halves, rounded to nearest, ties to even, as many as there are values. What
 * is too large becomes ±65504, the largest finite half: an infinite weight would turn every
 * activation into NaN.
 */
export function float16Bits(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let index = 0; index < halves.length; index++) {
    const magnitude = bits[index]! & 0x7fffffff;
    const sign = (bits[index]! >>> 16) & 0x8000;
    halves[index] = sign | magnitudeBits(magnitude, Math.abs(values[index]!));
  }
  return halves;
}

/**
 * The values of halves given as bits, exactly, as many as there are halves.
 * NaN stays NaN, and signs of zero are kept.
 */
export function float16Values(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, float32BitsOf).buffer);
}

/** Bits of a half → the binary32 bits of the same number; payloads of NaN are kept. */
function float32BitsOf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  // Below the smallest normal half: the leading 1 moves into the implicit place.
  const shift = Math.clz32(fraction) - 21;
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)) >>> 0;
}

function magnitudeBits(bits: number, value: number): number {
  if (bits > infinityBits) return 0x7e00;
  if (bits >= overflowBits) return largestFinite;
  if (bits < smallestNormalBits) return roundHalfEven(value * subnormalScale);
  // Adding just below half of the last place, plus its own last bit, rounds ties to even; a carry
  // raises the exponent.
  return (bits - 0x38000000 + 0xfff + ((bits >>> 13) & 1)) >>> 13;
}

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}
