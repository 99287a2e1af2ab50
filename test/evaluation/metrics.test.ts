/** Metrics against a plain implementation that sorts and exponentiates in the obvious way. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { MetricAccumulator } from '../../src/evaluation/metrics.ts';
import type { MetricBatch } from '../../src/evaluation/metrics.ts';

interface Example {
  readonly classes: number;
  readonly logits: number[][];
  readonly reference: number[][];
  readonly labels: number[];
}

const examples: fc.Arbitrary<Example> = fc
  .record({ classes: fc.integer({ min: 1, max: 12 }), images: fc.integer({ min: 1, max: 9 }) })
  .chain(({ classes, images }) => {
    // Few distinct values, so that ties are common.
    const logit = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.float({ min: -30, max: 30, noNaN: true }));
    const rows = fc.array(fc.array(logit, { minLength: classes, maxLength: classes }), {
      minLength: images,
      maxLength: images,
    });
    const labels = fc.array(fc.integer({ min: 0, max: classes - 1 }), { minLength: images, maxLength: images });
    return fc.record({ classes: fc.constant(classes), logits: rows, reference: rows, labels });
  });

function softmax(row: readonly number[]): number[] {
  const exponentials = row.map((value) => Math.exp(value));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((value) => value / sum);
}

/** Classes from the most to the least likely; `sort` is stable, so of equals the first comes first. */
const ranking = (row: readonly number[]): number[] =>
  row
    .map((value, index) => ({ value, index }))
    .sort((a, b) => b.value - a.value)
    .map(({ index }) => index);
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const percent = (values: readonly boolean[]): number => 100 * mean(values.map(Number));

function batches({ logits, reference, labels }: Example, size: number): MetricBatch[] {
  const parts: MetricBatch[] = [];
  for (let start = 0; start < logits.length; start += size) {
    const part = <T>(rows: readonly T[]): T[] => rows.slice(start, start + size);
    parts.push({
      logits: Float32Array.from(part(logits).flat()),
      reference: Float32Array.from(part(reference).flat()),
      labels: Int32Array.from(part(labels)),
    });
  }
  return parts;
}

describe('metrics', () => {
  it('equal a plain implementation, however the images are split into batches', () => {
    fc.assert(
      fc.property(examples, fc.integer({ min: 1, max: 4 }), (example, size) => {
        const { classes, logits, reference, labels } = example;
        const metrics = new MetricAccumulator(classes);
        for (const batch of batches(example, size)) metrics.add(batch);
        const result = metrics.result();
        const label = (image: number): number => labels[image] ?? -1;
        expect(result.images).toBe(logits.length);
        expect(result.top1).toBeCloseTo(percent(logits.map((row, image) => ranking(row)[0] === label(image))), 9);
        expect(result.top5).toBeCloseTo(
          percent(logits.map((row, image) => ranking(row).slice(0, 5).includes(label(image)))),
          9,
        );
        expect(result.loss).toBeCloseTo(
          mean(logits.map((row, image) => -Math.log(softmax(row)[label(image)] ?? 0))),
          6,
        );
        expect(result.agreement).toBeCloseTo(
          percent(logits.map((row, image) => ranking(row)[0] === ranking(reference[image] ?? [])[0])),
          9,
        );
        const divergences = logits.map((row, image) => {
          const [p, q] = [softmax(reference[image] ?? []), softmax(row)];
          return p.reduce(
            (sum, value, index) => sum + (value === 0 ? 0 : value * Math.log(value / (q[index] ?? 0))),
            0,
          );
        });
        expect(result.kl).toBeCloseTo(mean(divergences), 6);
      }),
      { numRuns: 200 },
    );
  });

  it('are exactly 0 and 100 % where the network is its own reference', () => {
    fc.assert(
      fc.property(examples, (example) => {
        const metrics = new MetricAccumulator(example.classes);
        const logits = Float32Array.from(example.logits.flat());
        metrics.add({ logits, reference: logits.slice() });
        expect(metrics.result()).toMatchObject({ kl: 0, agreement: 100, top1: null, top5: null, loss: null });
      }),
    );
  });

  it('do not overflow with logits that a plain exponential cannot take', () => {
    const metrics = new MetricAccumulator(3);
    metrics.add({
      logits: Float32Array.of(2000, 1999, -2000),
      reference: Float32Array.of(2000, 2000, -2000),
      labels: Int32Array.of(1),
    });
    expect(metrics.result().loss).toBeCloseTo(1 + Math.log(1 + Math.exp(-1)), 9);
    expect(metrics.result().kl).toBeCloseTo(Math.log(1 / 2) + 0.5 + Math.log(1 + Math.exp(-1)), 9);
  });

  it('are null without labels or reference, and before the first image', () => {
    const metrics = new MetricAccumulator(2);
    const nothing = { top1: null, top5: null, loss: null, agreement: null, kl: null };
    expect(metrics.result()).toEqual({ images: 0, ...nothing });
    metrics.add({ logits: Float32Array.of(1, 2, 3, 4) });
    expect(metrics.result()).toEqual({ images: 2, ...nothing });
  });

  it.each([Number.NaN, Infinity])('refuse a logit that is %s', (value) => {
    const metrics = new MetricAccumulator(2);
    expect(() => metrics.add({ logits: Float32Array.of(0, value), labels: Int32Array.of(0) })).toThrow(DiffrateError);
  });

  it('refuse lengths and labels that do not fit', () => {
    const metrics = new MetricAccumulator(3);
    expect(() => metrics.add({ logits: new Float32Array(4) })).toThrow(RangeError);
    expect(() => metrics.add({ logits: new Float32Array(6), reference: new Float32Array(3) })).toThrow(RangeError);
    expect(() => metrics.add({ logits: new Float32Array(6), labels: Int32Array.of(1) })).toThrow(RangeError);
    expect(() => metrics.add({ logits: new Float32Array(3), labels: Int32Array.of(3) })).toThrow(RangeError);
  });
});
