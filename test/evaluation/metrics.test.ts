/**
 * Metrics against a plain implementation that sorts and exponentiates in the obvious way, and by
 * hand where networks give no classes.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { MetricAccumulator } from '../../src/evaluation/metrics.ts';
import type { MetricBatch, Metrics } from '../../src/evaluation/metrics.ts';
import type { Answers, Objective } from '../../src/objectives/objective.ts';
import { objectiveFor } from '../../src/objectives/registry.ts';

interface Example {
  readonly classes: number;
  readonly logits: number[][];
  readonly reference: number[][];
  readonly labels: number[];
}

const examples: fc.Arbitrary<Example> = fc
  .record({ classes: fc.integer({ min: 2, max: 12 }), images: fc.integer({ min: 1, max: 9 }) })
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

const ofClasses = (size: number): Answers => ({ kind: 'classes', size });

/** The result before the first image. */
const nothing: Metrics = {
  images: 0,
  objective: null,
  top1: null,
  top5: null,
  loss: null,
  agreement: null,
  kl: null,
  featureDistance: null,
  neighbourAgreement: null,
};

function softmax(row: readonly number[]): number[] {
  const exponentials = row.map((value) => Math.exp(value));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((value) => value / sum);
}

/**
 * Classes from the most to the least likely; `sort` is stable, so of equals the first comes first.
 */
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
      answers: Float32Array.from(part(logits).flat()),
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
        const metrics = new MetricAccumulator(ofClasses(classes));
        for (const batch of batches(example, size)) metrics.add(batch);
        const result = metrics.result();
        const label = (image: number): number => labels[image] ?? -1;
        expect(result.images).toBe(logits.length);
        expect(result.top1).toBeCloseTo(percent(logits.map((row, image) => ranking(row)[0] === label(image))), 9);
        // Of up to five classes every label is among the first five.
        if (classes <= 5) expect(result.top5).toBeNull();
        else
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
        expect(result.objective).toEqual({ name: 'classDivergence', value: result.kl, unit: 'nats' });
        expect(result).toMatchObject({ featureDistance: null, neighbourAgreement: null });
      }),
      { numRuns: 200 },
    );
  });

  it('are exactly 0 and 100 % where the network is its own reference', () => {
    fc.assert(
      fc.property(examples, (example) => {
        const metrics = new MetricAccumulator(ofClasses(example.classes));
        const logits = Float32Array.from(example.logits.flat());
        metrics.add({ answers: logits, reference: logits.slice() });
        expect(metrics.result()).toEqual({
          ...nothing,
          images: example.logits.length,
          objective: { name: 'classDivergence', value: 0, unit: 'nats' },
          kl: 0,
          agreement: 100,
        });
      }),
    );
  });

  it('do not overflow with logits that a plain exponential cannot take', () => {
    const metrics = new MetricAccumulator(ofClasses(3));
    metrics.add({
      answers: Float32Array.of(2000, 1999, -2000),
      reference: Float32Array.of(2000, 2000, -2000),
      labels: Int32Array.of(1),
    });
    expect(metrics.result().loss).toBeCloseTo(1 + Math.log(1 + Math.exp(-1)), 9);
    expect(metrics.result().kl).toBeCloseTo(Math.log(1 / 2) + 0.5 + Math.log(1 + Math.exp(-1)), 9);
  });

  it('are null without labels or reference, and before the first image', () => {
    const metrics = new MetricAccumulator(ofClasses(2));
    expect(metrics.result()).toEqual(nothing);
    metrics.add({ answers: Float32Array.of(1, 2, 3, 4) });
    expect(metrics.result()).toEqual({ ...nothing, images: 2 });
  });

  it('of features are their distance and their neighbours; labels say nothing of them', () => {
    const answers: Answers = { kind: 'features', size: 2 };
    const batch: MetricBatch = {
      answers: Float32Array.of(1, 0, 0, 1, 1, 1.1),
      reference: Float32Array.of(2, 0, 0, 2, 1, 0.9),
      labels: Int32Array.of(7, 8, 9),
    };
    const metrics = new MetricAccumulator(answers);
    metrics.add(batch);
    const result = metrics.result();
    const distance = (1 - 1.99 / Math.sqrt(2.21 * 1.81)) / 3;
    expect(result.featureDistance).toBeCloseTo(distance, 7);
    expect(result).toEqual({
      ...nothing,
      images: 3,
      objective: { name: 'featureDistance', value: result.featureDistance, unit: '1 − cosine' },
      featureDistance: result.featureDistance,
      // The third image has gone over from the first to the second one.
      neighbourAgreement: (100 * 2) / 3,
    });
    const byError = new MetricAccumulator(answers, objectiveFor(answers, { name: 'regressionError' }));
    byError.add(batch);
    const { objective, ...others } = byError.result();
    expect(objective).toMatchObject({ name: 'regressionError', unit: 'standard deviations' });
    expect(objective?.value).not.toBe(result.featureDistance);
    expect({ ...others, objective: result.objective }).toEqual(result);
  });

  it('of labels are their divergence and equal decisions, of numbers their error', () => {
    const ofLabels = new MetricAccumulator({ kind: 'labels', size: 2 });
    ofLabels.add({ answers: Float32Array.of(1, -1), reference: Float32Array.of(1, 1), labels: Int32Array.of(0) });
    const { objective, ...others } = ofLabels.result();
    expect(objective).toMatchObject({ name: 'multiLabelDivergence', unit: 'nats' });
    expect({ ...others, objective: null }).toEqual({ ...nothing, images: 1, agreement: 50 });
    for (const kind of ['values', 'classes'] as const) {
      const ofNumbers = new MetricAccumulator({ kind, size: 1 });
      ofNumbers.add({ answers: Float32Array.of(1, 6), reference: Float32Array.of(2, 4), labels: Int32Array.of(0, 0) });
      const value = ofNumbers.result().objective?.value;
      expect(value).toBeCloseTo(Math.sqrt(2.5), 12);
      expect(ofNumbers.result()).toEqual({
        ...nothing,
        images: 2,
        objective: { name: 'regressionError', value, unit: 'standard deviations' },
      });
    }
  });

  it('keep the divergence of classes beside another objective', () => {
    const usual = objectiveFor(ofClasses(2));
    const other: Objective = {
      ...usual,
      name: 'test',
      unit: 'images',
      measure: () => {
        let images = 0;
        return { add: (answers) => void (images += answers.length / 2), result: () => ({ value: images }) };
      },
    };
    const [metrics, plain] = [new MetricAccumulator(ofClasses(2), other), new MetricAccumulator(ofClasses(2))];
    const batch = { answers: Float32Array.of(1, 2, 3, 4), reference: Float32Array.of(2, 1, 0, 5) };
    metrics.add(batch);
    plain.add(batch);
    expect(metrics.result()).toEqual({ ...plain.result(), objective: { name: 'test', value: 2, unit: 'images' } });
  });

  it('need answers that an objective knows', () => {
    expect(() => new MetricAccumulator(ofClasses(0))).toThrow(DiffrateError);
  });

  it.each([Number.NaN, Infinity])('refuse a logit that is %s', (value) => {
    const metrics = new MetricAccumulator(ofClasses(2));
    expect(() => metrics.add({ answers: Float32Array.of(0, value), labels: Int32Array.of(0) })).toThrow(DiffrateError);
    expect(() => metrics.add({ answers: Float32Array.of(0, value) })).toThrow(/answers that are no finite numbers/);
  });

  it('refuse lengths and labels that do not fit', () => {
    const metrics = new MetricAccumulator(ofClasses(3));
    expect(() => metrics.add({ answers: new Float32Array(4) })).toThrow(RangeError);
    expect(() => metrics.add({ answers: new Float32Array(6), reference: new Float32Array(3) })).toThrow(RangeError);
    expect(() => metrics.add({ answers: new Float32Array(6), labels: Int32Array.of(1) })).toThrow(RangeError);
    expect(() => metrics.add({ answers: new Float32Array(3), labels: Int32Array.of(3) })).toThrow(RangeError);
  });
});
