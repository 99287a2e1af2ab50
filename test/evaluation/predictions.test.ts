/** What two networks say of each image, from answers that are made up. */
import { describe, expect, it } from 'vitest';
import { isChanged, namesClasses, PredictionRecord } from '../../src/evaluation/predictions.ts';

const images = [{ file: 'a.png', label: 2 }, { file: 'b.png' }, { file: 'c.png' }, { file: 'd.png' }];
const softmax = (logits: readonly number[]): number[] => {
  const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
  return logits.map((logit) => Math.exp(logit) / sum);
};

describe('predictions of classes', () => {
  const record = new PredictionRecord(images, { kind: 'classes', size: 3 }, 2);
  // The second image could not be decoded; variant 1 is another one than is compared.
  const indices = Int32Array.of(0, 2);
  record.add({ variant: 0, indices, answers: Float32Array.of(0, 1, 2, 3, 3, 1) });
  record.add({ variant: 1, indices, answers: Float32Array.of(9, 0, 0, 9, 0, 0) });
  record.add({ variant: 2, indices, answers: Float32Array.of(2, 1, 0, 3, 3, 0) });
  record.add({ variant: 0, indices: Int32Array.of(3), answers: Float32Array.of(5, 0, 0) });
  record.add({ variant: 2, indices: Int32Array.of(3), answers: Float32Array.of(5, 0, 0) });
  const [first, second, third, ...others] = record.result();

  it('name the most likely class of both, of equal ones the first', () => {
    expect(others).toEqual([]);
    expect(
      [first, second, third].map((one) => [one?.file, one?.label, one?.before[0]?.class, one?.after[0]?.class]),
    ).toEqual([
      ['a.png', 2, 2, 0],
      ['c.png', null, 0, 0],
      ['d.png', null, 0, 0],
    ]);
    expect([first, second, third].map((one) => one !== undefined && isChanged(one))).toEqual([true, false, false]);
  });

  it('have the softmax of the logits, and their KL', () => {
    const [p, q] = [softmax([0, 1, 2]), softmax([2, 1, 0])];
    expect(first?.before[0]?.probability).toBeCloseTo(p[2] ?? 0, 6);
    expect(first?.after[0]?.probability).toBeCloseTo(q[0] ?? 0, 6);
    expect(first?.kept).toEqual([{ class: 2, probability: expect.closeTo(q[2] ?? 0, 6) as number }]);
    expect(first?.distance).toBeCloseTo(
      p.reduce((sum, value, index) => sum + value * Math.log(value / (q[index] ?? 0)), 0),
      5,
    );
    expect(third?.distance).toBeCloseTo(0, 6);
  });
});

describe('predictions of labels', () => {
  it('name all that hold, the surest first, and tell sets apart', () => {
    const record = new PredictionRecord(images, { kind: 'labels', size: 3 });
    const indices = Int32Array.of(0, 1, 2);
    record.add({ variant: 0, indices, answers: Float32Array.of(1, 2, -1, -1, -1, -1, 1, 2, -1) });
    record.add({ variant: 1, indices, answers: Float32Array.of(2, 1, -1, -2, 0, -1, 1, 2, 0.5) });
    const results = record.result();
    expect(results.map(({ before }) => before.map((guess) => guess.class))).toEqual([[1, 0], [], [1, 0]]);
    expect(results.map(({ after }) => after.map((guess) => guess.class))).toEqual([[0, 1], [], [1, 0, 2]]);
    expect(results.map(isChanged)).toEqual([false, false, true]);
    expect(results[0]?.before[0]?.probability).toBeCloseTo(1 / (1 + Math.exp(-2)), 6);
  });
});

it('there are none of answers that name no classes', () => {
  expect(namesClasses({ kind: 'classes', size: 1 })).toBe(false);
  expect(namesClasses({ kind: 'features', size: 8 })).toBe(false);
  expect(namesClasses({ kind: 'values', size: 2 })).toBe(false);
  expect(() => new PredictionRecord(images, { kind: 'features', size: 8 })).toThrow(RangeError);
});
