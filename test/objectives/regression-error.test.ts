/** Errors of numbers in units of how much the plain ones vary, against plain loops. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Objective } from '../../src/objectives/objective.ts';
import { OutputSpread } from '../../src/objectives/output-spread.ts';
import { regressionError } from '../../src/objectives/regression-error.ts';
import { drawn, mean, rows } from './drawn-answers.ts';

const variance = (values: readonly number[]): number => mean(values.map((value) => (value - mean(values)) ** 2));
const column = (values: Float32Array, size: number, output: number): number[] =>
  rows(values, size).map((row) => row[output] ?? NaN);

const fitted = (size: number, plain: Float32Array): Objective => regressionError(size).fitted?.(plain) as Objective;

const situations = fc.record({
  size: fc.integer({ min: 1, max: 5 }),
  images: fc.integer({ min: 2, max: 9 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
  scale: fc.constantFrom(1e-3, 1, 1e4),
});

describe('regressionError', () => {
  it('is the mean over outputs of squared errors over variances, and measured as the root of that', () => {
    fc.assert(
      fc.property(situations, ({ size, images, seed, scale }) => {
        const [answers, plain] = [drawn(seed, images * size, scale), drawn(seed + 1, images * size, scale)];
        const variances = Array.from({ length: size }, (_, output) => variance(column(plain, size, output)));
        const objective = fitted(size, plain);
        const squares = rows(answers, size).map((row, image) =>
          mean(row.map((x, output) => (x - (plain[image * size + output] ?? NaN)) ** 2 / (variances[output] ?? NaN))),
        );
        squares.forEach((square, image) => {
          const range = [image * size, (image + 1) * size] as const;
          const distance = objective.distance(plain.subarray(...range), answers.subarray(...range));
          expect(Math.abs(distance / square - 1)).toBeLessThan(1e-9);
        });
        const measure = objective.measure();
        measure.add(answers.subarray(0, size), plain.subarray(0, size));
        measure.add(answers.subarray(size), plain.subarray(size));
        expect(Math.abs((measure.result().value ?? NaN) / Math.sqrt(mean(squares)) - 1)).toBeLessThan(1e-9);
      }),
    );
  });

  it('has the plain outputs as targets and nothing as floor', () => {
    const plain = Float32Array.of(3, -4);
    const objective = regressionError(1);
    const targets = objective.targets(plain);
    expect(targets).toEqual(plain);
    expect(targets.buffer).not.toBe(plain.buffer);
    expect(objective.floor(targets)).toBe(0);
    expect(objective.labelTargets).toBeUndefined();
  });

  it('is a plain squared error before it is fitted, and where nothing varies', () => {
    const [target, answer] = [Float32Array.of(1, 2), Float32Array.of(4, 6)];
    expect(regressionError(2).distance(target, answer)).toBeCloseTo(12.5, 12);
    expect(fitted(2, target).distance(target, answer)).toBeCloseTo(12.5, 12);
    expect(fitted(2, Float32Array.of(1, 2, 1, 2)).distance(target, answer)).toBeCloseTo(12.5, 12);
  });

  it('leaves out outputs that do not vary, but for rounding', () => {
    // The second output is a constant, the third one with float32's noise.
    const plain = Float32Array.of(1, 7, 1000, 3, 7, 1000.0001);
    const answers = plain.slice();
    answers[0] = 2;
    answers[1] = 100;
    answers[2] = 0;
    const objective = fitted(3, plain);
    expect(objective.distance(plain.subarray(0, 3), answers.subarray(0, 3))).toBeCloseTo(1, 12);
    const measure = objective.measure();
    measure.add(answers, plain);
    expect(measure.result().value).toBeCloseTo(Math.sqrt(1 / 2), 12);
  });

  it('tells nothing of one image, whose outputs cannot vary', () => {
    const measure = regressionError(1).measure();
    measure.add(Float32Array.of(1), Float32Array.of(2));
    expect(measure.result().value).toBeNull();
  });
});

describe('OutputSpread', () => {
  it('finds small deviations beside a large mean', () => {
    const spread = new OutputSpread(1);
    const values = Array.from({ length: 1000 }, (_, index) => Math.fround(10_000 + (index % 7)));
    for (const value of values) spread.add(Float32Array.of(value));
    expect(spread.deviations()[0]).toBeCloseTo(Math.sqrt(variance(values)), 9);
  });

  it('is 0 before the first image', () => {
    expect([...new OutputSpread(2).deviations()]).toEqual([0, 0]);
  });
});
