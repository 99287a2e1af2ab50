/** The cosine of learning rates. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cosine } from '../../src/search/cosine.ts';

describe('cosine', () => {
  it('goes from start to end, through the middle, and stays at its ends', () => {
    expect(cosine(4, 0.2, 0)).toBe(4);
    expect(cosine(4, 0.2, 1)).toBeCloseTo(0.2, 15);
    expect(cosine(4, 0.2, 0.5)).toBeCloseTo(2.1, 12);
    expect(cosine(4, 0.2, -1)).toBe(4);
    expect(cosine(4, 0.2, 7)).toBeCloseTo(0.2, 15);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (progress) => {
        expect(cosine(4, 0.2, progress)).toBeCloseTo(0.2 + 3.8 * Math.cos((Math.PI * progress) / 2) ** 2, 9);
      }),
    );
  });
});
