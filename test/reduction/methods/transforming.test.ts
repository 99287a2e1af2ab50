/**
 * One block of Token Transforming against a plain loop that fills `W` and multiplies, in float64.
 */
import * as fc from 'fast-check';
import { describe, it } from 'vitest';
import { transforming } from '../../../src/reduction/methods/transforming.ts';
import { cases, compare } from './one-block.ts';
import { descending } from './plain-methods.ts';
import type { PlainAttention, PlainToken } from './plain-methods.ts';

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const at = <T>(values: readonly T[], index: number): T => values[index] as T;
const indices = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

function cosine({ features: a }: PlainToken, { features: b }: PlainToken): number {
  return sum(a.map((value, channel) => value * at(b, channel))) / (Math.hypot(...a) * Math.hypot(...b));
}

/** `Y = W·X`, with `W` filled number by number. */
function transformPlainly(
  tokens: readonly PlainToken[],
  { classRow, map }: PlainAttention,
  count: number,
  partners: number,
  temperature: number,
  prefix: number,
): PlainToken[] {
  const score = (index: number): number =>
    prefix > 0
      ? sum(classRow.map((head) => at(head, index)))
      : sum(map.flatMap((head) => head.map((row) => at(row, index))));
  const order = [...indices(prefix), ...descending(indices(tokens.length).slice(prefix), score)].map((index) =>
    at(tokens, index),
  );
  const left = tokens.length - count;
  const matrix = indices(left).map((row) => indices(tokens.length).map((column) => Number(row === column)));
  indices(tokens.length)
    .slice(left)
    .forEach((column) => {
      const similarity = (row: number): number => cosine(at(order, row), at(order, column));
      const best = descending(indices(left).slice(prefix), similarity).slice(0, partners);
      const powers = best.map((row) => Math.exp(similarity(row) / temperature));
      best.forEach((row, rank) => ((matrix[row] as number[])[column] = at(powers, rank) / sum(powers)));
    });
  return matrix.map((row, place) => {
    const weights = row.map((share, column) => share * at(order, column).size);
    const size = sum(weights);
    const own = at(order, place);
    return {
      size,
      label: own.label,
      features: own.features.map(
        (_, channel) => sum(weights.map((weight, column) => weight * at(at(order, column).features, channel))) / size,
      ),
      place: sum(weights.map((weight, column) => weight * (at(order, column).place ?? 0))) / size,
      source: new Set(order.flatMap(({ source }, column) => (at(row, column) > 0 ? [...source] : []))),
    };
  });
}

describe('Token Transforming', () => {
  it('is a matrix with several numbers per column', () => {
    const options = fc.record({
      wanted: fc.integer({ min: 0, max: 12 }),
      partners: fc.integer({ min: 1, max: 4 }),
      temperature: fc.constantFrom(0.05, 0.1, 1),
    });
    fc.assert(
      fc.property(cases(0), options, (drawn, { wanted, partners, temperature }) => {
        const { layout } = drawn;
        const { prefix } = layout;
        const importanceFrom = prefix > 0 ? 'class-token' : 'attention-received';
        compare(
          { ...drawn, ties: false },
          transforming({ removed: [wanted], partners, temperature }, { layout, importanceFrom }),
          (tokens, attention) => {
            const count = Math.min(wanted, tokens.length - prefix - 1);
            return count < 1 ? tokens : transformPlainly(tokens, attention, count, partners, temperature, prefix);
          },
        );
      }),
      { numRuns: 120 },
    );
  });
});
