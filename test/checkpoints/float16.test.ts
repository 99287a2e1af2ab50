/**
 * Conversion to halves, against that from halves, which `weights.test.ts` compares with the
 * definition.
 */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { float16Bits, float16Values } from '../../src/checkpoints/float16.ts';

it('gives every finite half back', () => {
  const halves = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits).filter((bits) => (bits & 0x7c00) !== 0x7c00);
  expect(float16Bits(float16Values(halves))).toEqual(halves);
});

it('rounds to the nearest half, ties to the even one', () => {
  const between = fc
    .integer({ min: 0, max: 0x7bfe })
    .chain((bits) =>
      fc.record({ bits: fc.constant(bits), share: fc.constantFrom(0, 0.25, 0.5, 0.75), sign: fc.constantFrom(1, -1) }),
    );
  fc.assert(
    fc.property(between, ({ bits, share, sign }) => {
      const [below = 0, above = 0] = float16Values(Uint16Array.of(bits, bits + 1));
      const [half = 0] = float16Bits(Float32Array.of(sign * (below + share * (above - below))));
      const even = bits % 2 === 0 ? bits : bits + 1;
      const nearest = share < 0.5 ? bits : share > 0.5 ? bits + 1 : even;
      expect(half & 0x7fff).toBe(nearest);
      expect(half >>> 15).toBe(sign < 0 ? 1 : 0);
    }),
  );
});

it('keeps what is too large finite, and NaN not a number', () => {
  const [large, infinite, negative, nan = 0] = float16Bits(Float32Array.of(65520, Infinity, -1e30, Number.NaN));
  expect([large, infinite, negative]).toEqual([0x7bff, 0x7bff, 0xfbff]);
  expect(nan & 0x7c00).toBe(0x7c00);
  expect(nan & 0x3ff).not.toBe(0);
});
