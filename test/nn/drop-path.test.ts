/** Drop path: its rates, and which images lose which branch. */
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../src/data/random.ts';
import { dropPath, dropPathRates } from '../../src/nn/drop-path.ts';
import { drawDropPath } from '../../src/training/drop-path-draws.ts';

describe('drop path', () => {
  it('grows linearly with depth and spares the first block', () => {
    expect(dropPathRates(5, 0.2)).toEqual([0, 0.05, 0.1, 0.15000000000000002, 0.2]);
    expect(dropPathRates(1, 0.2)).toEqual([0]);
    expect(dropPath(3, 0.2).branches.map(({ rate }) => rate)).toEqual([0.1, 0.1, 0.2, 0.2]);
    expect(dropPath(3, 0).branches).toEqual([]);
  });

  it('drops at its rate, scales what it keeps, and draws the same for the same seed', () => {
    const { branches } = dropPath(2, 0.3);
    const draw = (seed: number) => drawDropPath(new RandomGenerator(seed), branches, 4000);
    const masks = draw(1);
    expect(draw(1)).toEqual(masks);
    expect(draw(2)).not.toEqual(masks);
    for (const mask of masks) {
      expect([...new Set(mask)].sort()).toEqual([0, Math.fround(1 / 0.7)]);
      expect(mask.reduce((sum, value) => sum + value, 0) / 4000).toBeCloseTo(1, 1);
    }
  });
});
