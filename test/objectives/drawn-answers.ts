/**
 * Answers that any objective of the list can compare, drawn from a seed; every objective that is
 * added is drawn, too.
 */
import * as fc from 'fast-check';
import { RandomGenerator } from '../../src/data/random.ts';
import type { Answers, Objective } from '../../src/objectives/objective.ts';
import { objectives } from '../../src/objectives/registry.ts';

const kinds: readonly Answers['kind'][] = ['classes', 'labels', 'values', 'features'];
const everyAnswers = kinds.flatMap((kind) => [1, 2, 3, 5, 8].map((size): Answers => ({ kind, size })));

/** Every objective beside each of some answers that it fits. */
export const cases = objectives.flatMap(({ name, fits, create }) =>
  everyAnswers.filter(fits).map((answers) => ({ name, answers, create: (): Objective => create(answers.size) })),
);

/** Normal numbers `[n, D]` times a scale. */
export function drawn(seed: number, length: number, scale = 1): Float32Array {
  const random = new RandomGenerator(seed);
  return Float32Array.from({ length }, () => scale * random.normal());
}

/** Rows of a flat array as lists. */
export const rows = (values: Float32Array, size: number): number[][] =>
  Array.from({ length: values.length / size }, (_, row) => [...values.subarray(row * size, (row + 1) * size)]);

/** The mean of some numbers. */
export const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** A case, a seed, a number of images and the size of answers. */
export const situations = fc.record({
  at: fc.constantFrom(...cases),
  seed: fc.integer({ min: 0, max: 1e6 }),
  images: fc.integer({ min: 1, max: 6 }),
  scale: fc.constantFrom(0.01, 1, 10, 80),
});
