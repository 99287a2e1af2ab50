/** Conversion of stored element types to float32, against the numbers' definitions. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { elementCount, float32Tensor, float32Values, type WeightType } from '../../src/checkpoints/weights.ts';

function stored(type: WeightType, array: ArrayBufferView & { length: number }): Float32Array {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return float32Values({ name: 'x', type, shape: [array.length], bytes });
}

/** IEEE 754-2019, 3.4: the value of a binary format's fields. */
function valueOf(bits: number, exponentBits: number, fractionBits: number): number {
  const sign = bits >> (exponentBits + fractionBits) === 0 ? 1 : -1;
  const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

describe('float32Values', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, index) => index);

  it('converts every float16 exactly', () => {
    expect(stored('float16', all)).toEqual(Float32Array.from(all, (bits) => valueOf(bits, 5, 10)));
  });

  it('converts every bfloat16 exactly', () => {
    expect(stored('bfloat16', all)).toEqual(Float32Array.from(all, (bits) => valueOf(bits, 8, 7)));
  });

  it('rounds float64 to the nearest float32', () => {
    const values = Float64Array.of(0.1, -1e300, 1e-300, 16777217);
    expect([...stored('float64', values)]).toEqual([Math.fround(0.1), -Infinity, 0, 16777216]);
  });

  it('does not copy aligned float32 and copies unaligned', () => {
    const buffer = new ArrayBuffer(13);
    const aligned = { name: 'x', type: 'float32', shape: [2], bytes: new Uint8Array(buffer, 4, 8) } as const;
    expect(float32Values(aligned).buffer).toBe(buffer);
    const bytes = new Uint8Array(buffer, 1, 8);
    bytes.set(new Uint8Array(Float32Array.of(1.5, -2).buffer));
    expect([...float32Values({ ...aligned, bytes })]).toEqual([1.5, -2]);
    expect([...float32Values({ ...aligned, bytes: Buffer.from(buffer, 1, 8) })]).toEqual([1.5, -2]);
  });

  it('refuses integers by name', () => {
    expect(() => stored('int64', BigInt64Array.of(1n))).toThrow(/"x" is int64/);
    expect(() => stored('int64', BigInt64Array.of(1n))).toThrow(DiffrateError);
  });
});

describe('elementCount', () => {
  it('multiplies, and gives up on shapes that lie', () => {
    expect(elementCount([])).toBe(1);
    expect(elementCount([2, 3, 4])).toBe(24);
    expect(elementCount([2 ** 52, 0])).toBe(0);
    expect(elementCount([2 ** 30, 2 ** 30])).toBeUndefined();
    expect(elementCount([-1])).toBeUndefined();
    expect(elementCount([0.5])).toBeUndefined();
    expect(elementCount([0, -1])).toBeUndefined();
  });

  it('agrees with float32Tensor', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5), { maxLength: 4 }), (shape) => {
        const values = new Float32Array(elementCount(shape) ?? 0);
        expect(float32Values(float32Tensor('x', shape, values)).length).toBe(values.length);
        expect(() => float32Tensor('x', shape, new Float32Array(values.length + 1))).toThrow(DiffrateError);
      }),
    );
  });
});
