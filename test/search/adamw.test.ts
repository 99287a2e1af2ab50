/** AdamW against PyTorch's documented algorithm, written plainly; its state. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdamW } from '../../src/search/adamw.ts';
import type { AdamWOptions } from '../../src/search/adamw.ts';

/** All steps of one parameter: moments with bias correction, decay first. */
function plainAdamW(
  start: number,
  gradients: readonly number[],
  rate: number,
  options: Required<AdamWOptions>,
): number {
  const { beta1, beta2, epsilon, weightDecay } = options;
  let [value, first, second] = [start, 0, 0];
  gradients.forEach((gradient, index) => {
    value -= rate * weightDecay * value;
    first = beta1 * first + (1 - beta1) * gradient;
    second = beta2 * second + (1 - beta2) * gradient ** 2;
    const meanHat = first / (1 - beta1 ** (index + 1));
    const squareHat = second / (1 - beta2 ** (index + 1));
    value -= (rate * meanHat) / (Math.sqrt(squareHat) + epsilon);
  });
  return value;
}

const number = fc.double({ min: -5, max: 5, noNaN: true });

describe('AdamW', () => {
  it('takes the steps of the algorithm', () => {
    const options = fc.record({
      beta1: fc.double({ min: 0.5, max: 0.95, noNaN: true }),
      beta2: fc.double({ min: 0.5, max: 0.999, noNaN: true }),
      epsilon: fc.constantFrom(1e-8, 1e-3),
      weightDecay: fc.constantFrom(0, 0.05),
    });
    fc.assert(
      fc.property(options, number, fc.array(number, { minLength: 1, maxLength: 12 }), (chosen, start, gradients) => {
        const optimizer = new AdamW(2, chosen);
        const parameters = Float64Array.of(start, 1);
        for (const gradient of gradients) optimizer.update(parameters, Float64Array.of(gradient, 0), 0.03);
        expect(parameters[0]).toBeCloseTo(plainAdamW(start, gradients, 0.03, chosen), 9);
        expect(parameters[1]).toBeCloseTo((1 - 0.03 * chosen.weightDecay) ** gradients.length, 12);
      }),
    );
  });

  it('continues from its saved state to the last bit, also through JSON', () => {
    fc.assert(
      fc.property(fc.array(number, { minLength: 2, maxLength: 10 }), fc.nat(), (gradients, where) => {
        const cut = where % gradients.length;
        const [whole, parts] = [Float64Array.of(0.3), Float64Array.of(0.3)];
        const unbroken = new AdamW(1);
        let broken = new AdamW(1);
        gradients.forEach((gradient, index) => {
          if (index === cut) {
            const saved: ReturnType<AdamW['save']> = JSON.parse(JSON.stringify(broken.save()));
            broken = new AdamW(1);
            broken.restore(saved);
          }
          unbroken.update(whole, Float64Array.of(gradient), 0.1);
          broken.update(parts, Float64Array.of(gradient), 0.1);
        });
        expect(parts).toEqual(whole);
      }),
    );
  });
});
