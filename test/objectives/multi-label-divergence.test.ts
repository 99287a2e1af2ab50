/** Divergence of independent labels against the class divergence of each label's two outcomes. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gradients } from '../../src/graph/gradients/index.ts';
import { input } from '../../src/graph/tensor.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { multiLabelDivergence } from '../../src/objectives/multi-label-divergence.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { interpret } from '../graph/float64-interpreter.ts';
import { drawn, mean, rows } from './drawn-answers.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** KL of one coin from another. */
const coin = (p: number, q: number): number => p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / (1 - q));

const situations = fc.record({
  labels: fc.integer({ min: 1, max: 9 }),
  images: fc.integer({ min: 1, max: 7 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
});

describe('multiLabelDivergence', () => {
  it('is the sum over labels of what a plain loop finds', () => {
    fc.assert(
      fc.property(situations, ({ labels, images, seed }) => {
        const [logits, plain] = [drawn(seed, images * labels, 2), drawn(seed + 1, images * labels, 2)];
        const objective = multiLabelDivergence(labels);
        const measure = objective.measure();
        measure.add(logits, plain);
        const sums = rows(plain, labels).map((row, image) =>
          row.reduce((sum, x, label) => sum + coin(sigmoid(x), sigmoid(logits[image * labels + label] ?? NaN)), 0),
        );
        expect(measure.result().value).toBeCloseTo(mean(sums), 10);
        const targets = objective.targets(plain);
        expect(targets).toEqual(Float32Array.from(plain, sigmoid));
        sums.forEach((sum, image) => {
          const range = [image * labels, (image + 1) * labels] as const;
          expect(objective.distance(targets.subarray(...range), logits.subarray(...range))).toBeCloseTo(sum, 5);
        });
        const equal = logits.reduce((count, x, index) => count + Number(x > 0 === (plain[index] ?? NaN) > 0), 0);
        expect(measure.result().agreement).toBeCloseTo((100 * equal) / logits.length, 10);
      }),
    );
  });

  it('has the entropy of all coins as its floor', () => {
    expect(multiLabelDivergence(3).floor(Float32Array.of(0.5, 0, 1, 0.5, 0.5, 0.25))).toBeCloseTo(
      (Math.log(2) + 2 * Math.log(2) - 0.25 * Math.log(0.25) - 0.75 * Math.log(0.75)) / 2,
      12,
    );
  });

  it('takes logits that a plain exponential cannot take, and has no targets from class labels', () => {
    const objective = multiLabelDivergence(2);
    const targets = objective.targets(Float32Array.of(2000, -2000));
    expect([...targets]).toEqual([1, 0]);
    expect(objective.distance(targets, Float32Array.of(2000, -2000))).toBe(0);
    expect(objective.distance(targets, Float32Array.of(-2000, 2000))).toBe(4000);
    expect(objective.labelTargets).toBeUndefined();
  });

  it('has the right gradient where a logit is 0, too', () => {
    const [x, t] = [input('x', 'float32', [1, 3]), input('t', 'float32', [1, 3])];
    const value = (...data: number[]): Float64Tensor => ({ shape: [1, 3], data: Float64Array.from(data) });
    const [gradient] = gradients(multiLabelDivergence(3).loss(x, t), [x]) as [Tensor];
    const given = new Map([
      [x, value(0, -0, 2)],
      [t, value(0.25, 1, 0)],
    ]);
    const [found] = interpret([gradient], given) as [Float64Tensor];
    [0.25, -0.5, sigmoid(2)].forEach((wanted, label) => expect(found.data[label]).toBeCloseTo(wanted, 7));
  });

  it('decides at a probability of one half', () => {
    const measure = multiLabelDivergence(2).measure();
    measure.add(Float32Array.of(0.1, -0.1, 3, -5), Float32Array.of(8, 0.2, -1, -0.1));
    expect(measure.result().agreement).toBe(50);
  });
});
