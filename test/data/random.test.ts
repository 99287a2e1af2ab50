/** The seeded random generator: reproducible, forkable, and of the right distributions. */

import { expect, test } from 'vitest';
import * as fc from 'fast-check';
import { RandomGenerator } from '../../src/data/random.ts';

function take(random: RandomGenerator, count: number): number[] {
  return Array.from({ length: count }, () => random.uniform());
}

function moments(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, variance };
}

test('equal seeds give equal streams, other seeds other streams', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer(), (one, other) => {
      expect(take(new RandomGenerator(one), 8)).toEqual(take(new RandomGenerator(one), 8));
      if (one !== other) expect(take(new RandomGenerator(one), 8)).not.toEqual(take(new RandomGenerator(other), 8));
    }),
  );
});

test('a fork does not depend on what was drawn before, and differs by every key', () => {
  const fresh = new RandomGenerator(7);
  const used = new RandomGenerator(7);
  take(used, 100);
  expect(take(used.fork('flip', 3, 5), 4)).toEqual(take(fresh.fork('flip', 3, 5), 4));
  const forks = [
    ['flip', 3, 5],
    ['flip', 5, 3],
    ['flip', 3],
    ['flip'],
    ['crop', 3, 5],
    ['flip3', 5],
    [3, 'flip', 5],
    ['flip', '3', 5],
  ].map((keys) => String(take(fresh.fork(...keys), 4)));
  expect(new Set(forks).size).toBe(forks.length);
});

test('neighbouring forks are not correlated', () => {
  const random = new RandomGenerator(0);
  const first = Array.from({ length: 4000 }, (_, index) => random.fork('augmentation', 0, index).uniform() - 0.5);
  const correlation = moments(first.slice(1).map((value, index) => value * (first[index] ?? 0))).mean / (1 / 12);
  expect(Math.abs(correlation)).toBeLessThan(0.06);
  expect(Math.abs(moments(first).mean)).toBeLessThan(0.02);
});

test.each([
  ['uniform', (random: RandomGenerator) => random.uniform(), 0.5, 1 / 12],
  ['uniform(-2, 4)', (random: RandomGenerator) => random.uniform(-2, 4), 1, 3],
  ['normal', (random: RandomGenerator) => random.normal(), 0, 1],
  ['gamma(2.5)', (random: RandomGenerator) => random.gamma(2.5), 2.5, 2.5],
  ['gamma(0.3)', (random: RandomGenerator) => random.gamma(0.3), 0.3, 0.3],
  ['beta(0.8, 0.8)', (random: RandomGenerator) => random.beta(0.8, 0.8), 0.5, 1 / (4 * 2.6)],
  ['beta(2, 6)', (random: RandomGenerator) => random.beta(2, 6), 0.25, 12 / (64 * 9)],
  ['integer(10)', (random: RandomGenerator) => random.integer(10), 4.5, 99 / 12],
])('%s has its mean and variance', (_, draw, mean, variance) => {
  const random = new RandomGenerator(11);
  const measured = moments(Array.from({ length: 40_000 }, () => draw(random)));
  expect(Math.abs(measured.mean - mean)).toBeLessThan(0.03 * Math.max(1, Math.sqrt(variance)));
  expect(measured.variance / variance).toBeGreaterThan(0.94);
  expect(measured.variance / variance).toBeLessThan(1.06);
});

test('beta stays in [0, 1] for tiny shapes', () => {
  const random = new RandomGenerator(2);
  for (let index = 0; index < 2000; index++) {
    const value = random.beta(1e-4, 1e-4);
    expect(value >= 0 && value <= 1).toBe(true);
  }
});

test('a permutation holds every number once, and every number gets everywhere', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 0, max: 200 }), (seed, count) => {
      const sorted = [...new RandomGenerator(seed).permutation(count)].sort((a, b) => a - b);
      expect(sorted).toEqual(Array.from({ length: count }, (_, index) => index));
    }),
  );
  const random = new RandomGenerator(3);
  const counts = new Int32Array(25);
  for (let index = 0; index < 5000; index++)
    random.permutation(5).forEach((value, place) => counts[place * 5 + value]!++);
  expect(Math.min(...counts)).toBeGreaterThan(850);
  expect(Math.max(...counts)).toBeLessThan(1150);
});
