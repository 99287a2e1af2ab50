/** The proxy of one number: rounding, range, and the slope at its cut. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PositionProxy } from '../../../src/search/proxies/position-proxy.ts';

const values = fc.double({ min: -50, max: 250, noNaN: true });

describe('PositionProxy', () => {
  it('keeps the nearest integer within its range', () => {
    fc.assert(
      fc.property(values, (value) => {
        const kept = new PositionProxy(value, 4, 3, 197).keptNumber();
        expect(Number.isInteger(kept)).toBe(true);
        if (value >= 3 && value <= 197) expect(Math.abs(kept - value)).toBeLessThanOrEqual(0.5);
        else expect(kept).toBe(value < 3 ? 3 : 197);
      }),
    );
  });

  it('gives a worth that is the same everywhere as it is, and 0 where nothing is known', () => {
    const proxy = new PositionProxy(20, 3, 2, 40);
    expect(proxy.worthOfOneMore(() => 0.7, 12, 31)).toBeCloseTo(0.7, 12);
    expect(proxy.worthOfOneMore(() => 0.7, 12, 12)).toBe(0);
  });

  it('weighs positions by the slope of the keep-probability: the derivative by μ', () => {
    const worth = (position: number): number => Math.sin(position);
    fc.assert(
      fc.property(
        fc.double({ min: 3, max: 38, noNaN: true }),
        fc.double({ min: 0.5, max: 6, noNaN: true }),
        (value, temperature) => {
          const kept = (mean: number, position: number): number =>
            1 / (1 + Math.exp(-(mean - position - 0.5) / temperature));
          const step = 1e-5;
          const slope = (position: number): number =>
            (kept(value + step, position) - kept(value - step, position)) / (2 * step);
          const positions = Array.from({ length: 40 }, (_, index) => index).slice(1);
          const total = positions.reduce((sum, position) => sum + slope(position), 0);
          const wanted = positions.reduce((sum, position) => sum + slope(position) * worth(position), 0) / total;
          const found = new PositionProxy(value, temperature, 2, 40).worthOfOneMore(worth, 1, 40);
          expect(found).toBeCloseTo(wanted, 4);
        },
      ),
    );
  });

  it.each([0, 1, 3])('asks from position %i on, and speaks most for the position at the cut', (first) => {
    const asked: number[] = [];
    const proxy = new PositionProxy(6, 1, 2, 12);
    proxy.worthOfOneMore((position) => asked.push(position), first, 12);
    expect(asked).toEqual(Array.from({ length: 12 - first }, (_, index) => first + index));
    const only = (wanted: number): number => proxy.worthOfOneMore((position) => Number(position === wanted), first, 12);
    // With μ = 6 positions 5 and 6 lie on both sides of the cut.
    expect(only(5)).toBeCloseTo(only(6), 12);
    for (const position of [1, 2, 3, 4, 7, 8, 11]) expect(only(position)).toBeLessThan(only(5));
  });
});
