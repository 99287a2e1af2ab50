/**
 * The sine-cosine position embedding against its definition, and what it is for: neighbours begin
 * alike.
 */
import { describe, expect, it } from 'vitest';
import { initialWeights } from '../../src/training/initialization.ts';
import { sinusoidalPositions } from '../../src/training/sinusoidal-positions.ts';
import { layoutOf, partOf } from '../../src/training/trained-parameters.ts';
import { tinyNetwork } from './tiny-network.ts';

describe('sinusoidal positions', () => {
  const [tokens, width] = [10, 8];
  const square = { prefix: 1, grid: [3, 3] } as const;
  const values = sinusoidalPositions(square, width, { temperature: 100 });
  const row = (token: number): number[] => [...values.subarray(token * width, (token + 1) * width)];

  it('hold sine and cosine of column and row, and nothing for the class token', () => {
    expect(values).toHaveLength(tokens * width);
    expect(row(0)).toEqual(Array.from({ length: width }, () => 0));
    // Token 6 is the patch of column 2 in row 1; frequencies are 1 and 1/10.
    const expected = [2, 0.2].map(Math.sin).concat([2, 0.2].map(Math.cos));
    const below = [1, 0.1].map(Math.sin).concat([1, 0.1].map(Math.cos));
    row(6).forEach((value, index) => expect(value).toBeCloseTo([...expected, ...below][index] ?? Number.NaN, 6));
  });

  it('make neighbours more alike than others', () => {
    const product = (a: number, b: number): number =>
      row(a).reduce((sum, x, index) => sum + x * (row(b)[index] ?? 0), 0);
    expect(product(5, 5)).toBeGreaterThan(product(5, 6));
    expect(product(1, 2)).toBeGreaterThan(product(1, 3));
    expect(product(1, 4)).toBeGreaterThan(product(1, 7));
  });

  it('follow an oblong grid, whatever stands before it', () => {
    const oblong = sinusoidalPositions({ prefix: 2, grid: [2, 3] }, width, { temperature: 100 });
    expect(oblong).toHaveLength(8 * width);
    expect([...oblong.subarray(0, 2 * width)]).toEqual(Array.from({ length: 2 * width }, () => 0));
    // The first two rows of three patches are those of the square.
    expect(oblong.subarray(2 * width)).toEqual(values.subarray(width, 7 * width));
  });

  it('say what does not fit', () => {
    expect(() => sinusoidalPositions(square, 6, { temperature: 100 })).toThrow(/divisible by 4, not 6/);
  });

  it('replace the random position embedding and nothing else', () => {
    const network = tinyNetwork({ width: 8, heads: 2 });
    const layout = layoutOf(network);
    const [random, waves] = [undefined, { temperature: 100 }].map((positions) =>
      initialWeights(layout, network.layout, 4, 'xavier-uniform', positions),
    );
    for (const parameter of layout.parameters) {
      const own = partOf(waves ?? new Float32Array(), parameter);
      if (parameter.name !== 'pos_embed') expect(own).toEqual(partOf(random ?? new Float32Array(), parameter));
      else expect(own).toEqual(sinusoidalPositions(network.layout, parameter.shape[2] ?? 0, { temperature: 100 }));
    }
  });
});
