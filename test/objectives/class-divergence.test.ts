/** Divergence of class probabilities against plain loops over exponentials. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classDivergence } from '../../src/objectives/class-divergence.ts';
import { klOfLogits, klOfProbabilities, logSumExp, softmaxRows } from '../../src/objectives/softmax.ts';
import { drawn, mean, rows } from './drawn-answers.ts';

function softmax(row: readonly number[]): number[] {
  const weights = row.map((value) => Math.exp(value));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

const divergence = (p: readonly number[], q: readonly number[]): number =>
  p.reduce((sum, value, index) => sum + (value === 0 ? 0 : value * Math.log(value / (q[index] ?? 0))), 0);
const argMax = (row: readonly number[]): number => row.indexOf(Math.max(...row));

const situations = fc.record({
  classes: fc.integer({ min: 2, max: 12 }),
  images: fc.integer({ min: 1, max: 7 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
});

describe('softmax', () => {
  it('and the divergences equal plain loops', () => {
    fc.assert(
      fc.property(situations, ({ classes, images, seed }) => {
        const [logits, plain] = [drawn(seed, images * classes, 3), drawn(seed + 1, images * classes, 3)];
        const probabilities = softmaxRows(plain, classes);
        rows(plain, classes).forEach((row, image) => {
          const own = logits.subarray(image * classes, (image + 1) * classes);
          const [p, q] = [softmax(row), softmax([...own])];
          const stored = probabilities.subarray(image * classes, (image + 1) * classes);
          p.forEach((value, index) => expect(Math.abs((stored[index] ?? NaN) - value)).toBeLessThan(6e-8));
          expect(logSumExp(own)).toBeCloseTo(Math.log([...own].reduce((sum, value) => sum + Math.exp(value), 0)), 12);
          expect(klOfLogits(Float32Array.from(row), own)).toBeCloseTo(divergence(p, q), 10);
          expect(klOfProbabilities(stored, own)).toBeCloseTo(divergence(p, q), 5);
          expect(klOfProbabilities(stored, own)).toBeCloseTo(divergence([...stored], q), 10);
        });
      }),
    );
  });

  it('takes logits that a plain exponential cannot take', () => {
    const [high, low] = [Float32Array.of(2000, 2000, -2000), Float32Array.of(2000, 1999, -2000)];
    expect([...softmaxRows(high, 3)]).toEqual([0.5, 0.5, 0]);
    const wanted = Math.log(1 / 2) + 0.5 + Math.log(1 + Math.exp(-1));
    expect(klOfLogits(high, low)).toBeCloseTo(wanted, 12);
    expect(klOfProbabilities(Float32Array.of(0.5, 0.5, 0), low)).toBeCloseTo(wanted, 12);
  });
});

describe('classDivergence', () => {
  it('has the entropy of the targets as its floor', () => {
    const targets = Float32Array.of(0.5, 0.5, 0, 0.25, 0.25, 0.5);
    expect(classDivergence(3).floor(targets)).toBeCloseTo((Math.log(2) + 1.5 * Math.log(2)) / 2, 12);
  });

  it('takes labels as targets', () => {
    const objective = classDivergence(3);
    const targets = objective.labelTargets?.(Int32Array.of(2, 0)) as Float32Array;
    expect([...targets]).toEqual([0, 0, 1, 1, 0, 0]);
    expect(objective.floor(targets)).toBe(0);
    const logits = Float32Array.of(1, 2, 3);
    expect(objective.distance(targets.subarray(0, 3), logits)).toBeCloseTo(-Math.log(softmax([1, 2, 3])[2] ?? 0), 12);
    expect(() => objective.labelTargets?.(Int32Array.of(3))).toThrow('label 3 is not one of 3 classes');
    expect(() => objective.labelTargets?.(Int32Array.of(-1))).toThrow(RangeError);
  });

  it('measures divergence and equal decisions as plain loops do, however images are split', () => {
    fc.assert(
      fc.property(situations, fc.integer({ min: 1, max: 4 }), ({ classes, images, seed }, part) => {
        const [logits, plain] = [drawn(seed, images * classes, 2), drawn(seed + 1, images * classes, 2)];
        const measure = classDivergence(classes).measure();
        for (let start = 0; start < images; start += part) {
          const range = [start * classes, (start + part) * classes] as const;
          measure.add(logits.subarray(...range), plain.subarray(...range));
        }
        const pairs = rows(plain, classes).map((row, image) => [row, rows(logits, classes)[image] ?? []] as const);
        const { value, agreement } = measure.result();
        expect(value).toBeCloseTo(mean(pairs.map(([p, q]) => divergence(softmax(p), softmax(q)))), 10);
        expect(agreement).toBeCloseTo(100 * mean(pairs.map(([p, q]) => Number(argMax(p) === argMax(q)))), 10);
      }),
    );
  });
});
