/** What choosing and merging costs beside FLOPs. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockPrice, defaultBlockOverhead, settledOverhead } from '../../src/cost/block-overhead.ts';

describe('settledOverhead', () => {
  it('is the default where operators are a small share of the time', () => {
    for (const share of [0, 0.02, 0.05, NaN]) expect(settledOverhead(share, 1)).toBe(defaultBlockOverhead);
  });

  it('is a power of two of the default elsewhere, near what was measured', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e3, noNaN: true }), (measured) => {
        const settled = settledOverhead(0.1, measured);
        expect(Number.isInteger(Math.log2(settled / defaultBlockOverhead))).toBe(true);
        if (measured > defaultBlockOverhead / 1000) {
          expect(Math.abs(Math.log2(settled / measured))).toBeLessThan(0.51);
        }
      }),
    );
  });
});

describe('blockPrice', () => {
  it('is the loss that the cost of a block is worth, and at most all of it', () => {
    expect(blockPrice(0.01, 0.8, 8)).toBeCloseTo(0.1);
    expect(blockPrice(0.01, 17, 8)).toBeLessThan(0.005);
    expect(blockPrice(0.01, 0.001, 8)).toBe(1);
    expect(blockPrice(0, 0.8, 8)).toBe(0);
  });
});
