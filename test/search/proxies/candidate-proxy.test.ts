/**
 * The published proxy against its definition (arXiv 2305.17997, section 3.2) in plain float64, and
 * finite differences of it.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../../src/errors.ts';
import { CandidateProxy, candidatesOf } from '../../../src/search/proxies/candidate-proxy.ts';

const softmax = (logits: readonly number[]): number[] => {
  const weights = logits.map(Math.exp);
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
};

/** A class token. */
const layout = { prefix: 1 };

const expectedKept = (candidates: readonly number[], logits: readonly number[]): number =>
  softmax(logits).reduce((sum, probability, index) => sum + probability * (candidates[index] as number), 0);

/** Probability that patch position 1…N is kept; the class token at 0 always is. */
const keepProbability = (candidates: readonly number[], logits: readonly number[], position: number): number =>
  softmax(logits).reduce(
    (sum, probability, index) => sum + (position <= (candidates[index] as number) ? probability : 0),
    0,
  );

interface Case {
  readonly patches: number;
  readonly candidates: number[];
  readonly logits: number[];
  readonly mask: number[];
}

const cases: fc.Arbitrary<Case> = fc
  .record({ patches: fc.integer({ min: 1, max: 40 }), granularity: fc.integer({ min: 1, max: 9 }) })
  .chain(({ patches, granularity }) => {
    const candidates = candidatesOf(patches, granularity);
    const numbers = (length: number): fc.Arbitrary<number[]> =>
      fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: length, maxLength: length });
    return fc.record({
      patches: fc.constant(patches),
      candidates: fc.constant(candidates),
      logits: numbers(candidates.length),
      mask: numbers(patches + 1),
    });
  });

describe('candidatesOf', () => {
  it('counts down from all patches and never reaches zero', () => {
    expect(candidatesOf(196, 4)).toHaveLength(49);
    expect(candidatesOf(196, 4).at(-1)).toBe(4);
    expect(candidatesOf(16, 5)).toEqual([16, 11, 6, 1]);
    expect(candidatesOf(1, 4)).toEqual([1]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 20 }), (patches, granularity) => {
        const candidates = candidatesOf(patches, granularity);
        expect(candidates[0]).toBe(patches);
        expect(candidates.at(-1)).toBeGreaterThanOrEqual(1);
        expect(candidates.at(-1)).toBeLessThanOrEqual(granularity);
        candidates.slice(1).forEach((value, index) => expect((candidates[index] as number) - value).toBe(granularity));
      }),
    );
  });
});

describe('CandidateProxy', () => {
  it('keeps the expected number, rounded up, and the class token', () => {
    fc.assert(
      fc.property(cases, ({ candidates, logits }) => {
        const kept = new CandidateProxy(candidates, layout, Float64Array.from(logits)).keptNumber();
        const expected = expectedKept(candidates, logits);
        expect(Number.isInteger(kept)).toBe(true);
        expect(kept - 1).toBeGreaterThanOrEqual(expected - 1e-6);
        expect(kept - 1).toBeLessThan(expected + 1);
      }),
    );
  });

  it('does not round an exact expectation up', () => {
    // The mean of 196, 192, …, 4 is 100 but for the last bits of the sum.
    expect(new CandidateProxy(candidatesOf(196, 4), layout).keptNumber()).toBe(101);
    expect(new CandidateProxy([12], layout).keptNumber()).toBe(13);
  });

  it('has the gradient of keep-probabilities and expected number', () => {
    fc.assert(
      fc.property(cases, fc.double({ min: -2, max: 2, noNaN: true }), fc.boolean(), (drawn, price, masked) => {
        const { candidates, logits, mask } = drawn;
        const loss = (values: readonly number[]): number => {
          const terms = masked
            ? mask
                .slice(1)
                .map((weight, index) => weight * keepProbability(candidates, values, index + 1))
                .reduce((a, b) => a + b, 0)
            : 0;
          return terms + price * expectedKept(candidates, values);
        };
        const proxy = new CandidateProxy(candidates, layout, Float64Array.from(logits));
        const gradient = proxy.gradient(masked ? Float64Array.from(mask) : undefined, price);
        logits.forEach((value, index) => {
          const step = 1e-5;
          const difference =
            (loss(logits.with(index, value + step)) - loss(logits.with(index, value - step))) / (2 * step);
          expect(Math.abs((gradient[index] as number) - difference)).toBeLessThan(1e-6);
        });
      }),
    );
  });

  it('refuses parameters that do not fit', () => {
    expect(() => new CandidateProxy([], layout)).toThrow(DiffrateError);
    expect(() => new CandidateProxy([4, 2], layout, new Float64Array(3))).toThrow('2 candidates');
  });
});
