/**
 * AdamW, clipping, averaging, learning rate,
 * patch dropout and initial weights against plain statements of what they are.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../src/data/random.ts';
import { tokenCount } from '../../src/reduction/token-layout.ts';
import { AdamW } from '../../src/training/adamw.ts';
import { clippingScale, normOf } from '../../src/training/gradient-norm.ts';
import { initialWeights } from '../../src/training/initialization.ts';
import { learningRateAt } from '../../src/training/learning-rate.ts';
import { layoutOf, partOf } from '../../src/training/trained-parameters.ts';
import { drawPatches, patchDropout } from '../../src/training/patch-dropout.ts';
import { VectorMemory } from '../../src/training/vector-memory.ts';
import { averageDecayAt, WeightAverage } from '../../src/training/weight-average.ts';
import { DivergenceWatch } from '../../src/training/divergence.ts';
import { randomValues } from '../random-network.ts';
import { tinyNetwork } from './tiny-network.ts';

const network = tinyNetwork();
const layout = layoutOf(network);
const parameterOf = (name: string) => {
  const found = layout.parameters.find((parameter) => parameter.name === name);
  if (found === undefined) throw new Error(name);
  return found;
};

describe('AdamW', () => {
  it('equals Algorithm 2 of the paper, element by element', () => {
    const [beta1, beta2, epsilon, weightDecay] = [0.8, 0.99, 1e-6, 0.1];
    const optimizer = new AdamW(layout, { beta1, beta2, epsilon, weightDecay });
    const weights = randomValues(layout.length, 1);
    const expected = Float64Array.from(weights);
    const [first, second] = [new Float64Array(layout.length), new Float64Array(layout.length)];
    for (let step = 1; step <= 4; step++) {
      const gradient = randomValues(layout.length, 10 + step);
      const rate = 0.01 * step;
      optimizer.update(weights, gradient, rate, 0.5);
      for (const { offset, length, decays } of layout.parameters) {
        for (let index = offset; index < offset + length; index++) {
          const slope = 0.5 * (gradient[index] ?? 0);
          first[index] = beta1 * (first[index] ?? 0) + (1 - beta1) * slope;
          second[index] = beta2 * (second[index] ?? 0) + (1 - beta2) * slope ** 2;
          const mean = (first[index] ?? 0) / (1 - beta1 ** step);
          const square = (second[index] ?? 0) / (1 - beta2 ** step);
          const before = expected[index] ?? 0;
          expected[index] =
            before - rate * (mean / (Math.sqrt(square) + epsilon) + (decays ? weightDecay : 0) * before);
        }
      }
    }
    const error = weights.reduce((most, value, at) => Math.max(most, Math.abs(value - (expected[at] ?? 0))), 0);
    expect(error).toBeLessThan(1e-5);
  });

  it('is float32 arithmetic, the same to the bit wherever its vectors lie', () => {
    const { fround, sqrt } = Math;
    const [beta1, beta2, epsilon, weightDecay, rate, scale] = [0.9, 0.999, 1e-8, 0.3, 0.01, 0.25];
    const run = (memory: VectorMemory): { weights: Float32Array; optimizer: AdamW } => {
      const [weights, gradient] = [memory.vector(), memory.vector()];
      weights.set(randomValues(layout.length, 1));
      const optimizer = new AdamW(layout, { beta1, beta2, epsilon, weightDecay }, memory);
      for (let step = 1; step <= 3; step++) {
        gradient.set(randomValues(layout.length, 10 + step));
        optimizer.update(weights, gradient, rate, scale);
      }
      return { weights, optimizer };
    };
    const expected = randomValues(layout.length, 1);
    const [first, second] = [new Float32Array(layout.length), new Float32Array(layout.length)];
    for (let step = 1; step <= 3; step++) {
      const gradient = randomValues(layout.length, 10 + step);
      const stepSize = fround(rate / (1 - beta1 ** step));
      const correction = fround(1 / sqrt(1 - beta2 ** step));
      for (const { offset, length, decays } of layout.parameters) {
        const shrinkage = fround(decays ? rate * weightDecay : 0);
        for (let index = offset; index < offset + length; index++) {
          const [slope, before] = [gradient[index] ?? 0, expected[index] ?? 0];
          const mean = fround(
            fround(fround(beta1) * (first[index] ?? 0)) + fround(fround((1 - beta1) * scale) * slope),
          );
          const rest = fround(fround(fround((1 - beta2) * scale * scale) * slope) * slope);
          const square = fround(fround(fround(beta2) * (second[index] ?? 0)) + rest);
          const size = fround(fround(fround(sqrt(square)) * correction) + fround(epsilon));
          const change = fround(fround(shrinkage * before) + fround(fround(stepSize * mean) / size));
          first[index] = mean;
          second[index] = square;
          expected[index] = fround(before - change);
        }
      }
    }
    for (const room of [4, 1]) {
      const { weights, optimizer } = run(new VectorMemory(layout.length, room));
      expect(weights).toEqual(expected);
      expect(optimizer.first).toEqual(first);
      expect(optimizer.second).toEqual(second);
    }
  });

  it('spares biases, norms, position embeddings and the class token', () => {
    const optimizer = new AdamW(layout, { weightDecay: 0.5 });
    const weights = new Float32Array(layout.length).fill(1);
    optimizer.update(weights, new Float32Array(layout.length), 0.1);
    const changed = layout.parameters.filter((parameter) => partOf(weights, parameter).some((value) => value !== 1));
    const spared = layout.parameters.filter((parameter) => !changed.includes(parameter)).map(({ name }) => name);
    expect(changed.map(({ name }) => name)).toContain('blocks.0.attn.qkv.weight');
    expect(changed.every(({ name }) => /(qkv|proj|fc1|fc2|head)\.weight$/.test(name))).toBe(true);
    expect(spared).toEqual(expect.arrayContaining(['cls_token', 'pos_embed', 'norm.weight', 'head.bias']));
  });
});

describe('the gradient’s norm', () => {
  it('is clipped to the largest allowed one, never lengthened', () => {
    fc.assert(
      fc.property(
        fc.float32Array({ minLength: 1, noNaN: true, min: -100, max: 100 }),
        fc.double({ min: 0.1, max: 50, noNaN: true }),
        (gradient, largest) => {
          const norm = normOf(gradient);
          expect(norm).toBeCloseTo(Math.hypot(...gradient), 3);
          const clipped = norm * clippingScale(norm, largest);
          expect(clipped).toBeLessThanOrEqual(Math.min(norm, largest) + 1e-9);
          expect(clipped).toBeGreaterThan(Math.min(norm, largest) * (1 - 1e-4) - 1e-9);
          expect(clippingScale(norm, 0)).toBe(1);
        },
      ),
    );
  });
});

describe('the average of weights', () => {
  it('is the weighted sum of what it has seen', () => {
    const average = new WeightAverage(Float32Array.of(1, -2));
    average.update(Float32Array.of(3, 4), 0.75);
    expect([...average.values]).toEqual([1.5, -0.5]);
  });

  it('follows quickly at first, then slowly', () => {
    expect(averageDecayAt(0, 0.999)).toBeCloseTo(0.1);
    expect(averageDecayAt(90, 0.999)).toBeCloseTo(0.91);
    expect(averageDecayAt(1e6, 0.999)).toBe(0.999);
  });
});

describe('the learning rate', () => {
  it('rises linearly, then falls on a cosine to its end', () => {
    const course = { peak: 1, final: 0.1, warmUpSteps: 4, steps: 105 };
    const rates = Array.from({ length: course.steps }, (_, step) => learningRateAt(step, course));
    [0.2, 0.4, 0.6, 0.8, 1].forEach((rate, step) => expect(rates[step]).toBeCloseTo(rate));
    expect(rates[54]).toBeCloseTo(0.55);
    expect(rates.at(-1)).toBeCloseTo(0.1);
    expect(rates.slice(4).every((rate, index, all) => index === 0 || rate < (all[index - 1] ?? 0))).toBe(true);
  });
});

describe('patch dropout', () => {
  const layouts = fc.record({
    prefix: fc.integer({ min: 0, max: 5 }),
    grid: fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 })),
  });

  it('keeps prefix tokens first and no patch twice, and draws the same for the same seed', () => {
    fc.assert(
      fc.property(layouts, fc.double({ min: 0, max: 0.99, noNaN: true }), (tokens, rate) => {
        const { prefix } = tokens;
        const { kept, indices } = patchDropout(tokens, rate);
        expect(indices.shape).toEqual(['batch', kept, 1]);
        expect(kept).toBeGreaterThan(prefix);
        const draw = (seed: number) => drawPatches(new RandomGenerator(seed), 3, tokens, kept);
        const drawn = draw(7);
        expect(draw(7)).toEqual(drawn);
        for (let image = 0; image < 3; image++) {
          const own = Array.from(drawn.subarray(image * kept, (image + 1) * kept), Number);
          expect(own.slice(0, prefix)).toEqual(Array.from({ length: prefix }, (_, token) => token));
          expect(new Set(own).size).toBe(kept);
          expect(own.every((token) => token >= 0 && token < tokenCount(tokens))).toBe(true);
        }
      }),
    );
  });

  it('keeps every patch as often as every other', () => {
    const [images, tokens, kept] = [3000, 9, 5];
    const counts = new Int32Array(tokens);
    const square = { prefix: 1, grid: [2, 4] } as const;
    for (const token of drawPatches(new RandomGenerator(1), images, square, kept)) counts[Number(token)]! += 1;
    expect(counts[0]).toBe(images);
    for (const count of counts.subarray(1)) expect(Math.abs(count / images - 0.5)).toBeLessThan(0.04);
  });
});

describe('initial weights', () => {
  it('are timm’s: norms one, biases zero, matrices within two standard deviations of 0.02', () => {
    const weights = initialWeights(layout, network.layout, 4);
    expect(initialWeights(layout, network.layout, 4)).toEqual(weights);
    expect(initialWeights(layout, network.layout, 5)).not.toEqual(weights);
    expect(partOf(weights, parameterOf('blocks.1.norm1.weight')).every((value) => value === 1)).toBe(true);
    expect(partOf(weights, parameterOf('blocks.1.norm1.bias')).every((value) => value === 0)).toBe(true);
    expect(partOf(weights, parameterOf('head.bias')).every((value) => value === 0)).toBe(true);
    const matrix = partOf(weights, parameterOf('blocks.1.mlp.fc1.weight'));
    expect(Math.max(...matrix.map(Math.abs))).toBeLessThanOrEqual(0.04);
    const deviation = Math.sqrt(matrix.reduce((sum, value) => sum + value * value, 0) / matrix.length);
    expect(deviation).toBeGreaterThan(0.012);
    expect(deviation).toBeLessThan(0.024);
  });
});

describe('parameters that are lists of tokens', () => {
  const own = tinyNetwork({
    prefixTokens: [
      { name: 'cls_token', count: 1 },
      { name: 'reg_token', count: 4 },
    ],
    classes: 1,
  });
  const parameters = layoutOf(own);

  it('do not decay; a matrix of one row does', () => {
    const spared = parameters.parameters.filter(({ decays, shape }) => !decays && shape.length > 1);
    expect(spared.map(({ name }) => name).sort()).toEqual(['cls_token', 'pos_embed', 'reg_token']);
    expect(parameters.parameters.find(({ name }) => name === 'head.weight')).toMatchObject({
      shape: [1, 6],
      decays: true,
    });
  });

  it('start nearly at zero where they are prefix tokens, and as weights where they are positions', () => {
    const vector = initialWeights(parameters, own.layout, 1);
    const largest = (name: string): number => {
      const parameter = parameters.parameters.find((one) => one.name === name);
      return parameter === undefined ? Number.NaN : Math.max(...partOf(vector, parameter).map(Math.abs));
    };
    for (const name of ['cls_token', 'reg_token']) expect(largest(name)).toBeLessThan(1e-5);
    expect(largest('pos_embed')).toBeGreaterThan(1e-2);
    const bound = 1 / Math.sqrt(3 * 2 * 2);
    for (const part of ['weight', 'bias']) {
      expect(largest(`patch_embed.proj.${part}`)).toBeLessThanOrEqual(bound);
      expect(largest(`patch_embed.proj.${part}`)).toBeGreaterThan(bound / 4);
    }
  });
});

describe('a diverging run', () => {
  it('stops at once where the loss or the gradient is not finite, naming the step and what to do', () => {
    const watch = new DivergenceWatch();
    expect(() => watch.check(17, Number.NaN, 1, 2, ' There.')).toThrow(
      /loss of step 17 .*lower learning rate.* There\./,
    );
    expect(() => watch.check(18, 2, Infinity, 2, '')).toThrow(/gradient of step 18/);
    expect(() => watch.checkWeights(19, Number.NaN, '')).toThrow(/gradient of step 19/);
  });

  it('stops where the loss stays far above its best mean, and is not healthy meanwhile', () => {
    const watch = new DivergenceWatch();
    for (let step = 0; step < 100; step++) watch.check(step, 1 + (step % 10), 1, 1, '');
    expect(() => {
      for (let step = 100; step < 200; step++) {
        watch.check(step, 9, 1, 4, '');
        expect(watch.healthy).toBe(false);
      }
    }).toThrow(/far above its best mean \(1\.00\) .*step 14\d/);
  });

  it('does not take a loss that recovers for one', () => {
    const watch = new DivergenceWatch();
    for (let step = 0; step < 300; step++) watch.check(step, step % 40 === 0 ? 1 : 9, 1, 1, '');
    watch.check(300, 1, 1, 1, '');
    expect(watch.healthy).toBe(true);
  });
});
