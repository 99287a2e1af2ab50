import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { baselineFlops, countFlops } from '../../src/cost/flops.ts';
import { baselineRealFlops, countRealFlops } from '../../src/cost/real-flops.ts';
import { findModel } from '../../src/models/registry.ts';
import { findPublishedSchedule } from '../../src/reduction/published-schedules.ts';
import { uncompressed } from '../../src/reduction/schedule.ts';
import { smallNetwork } from './configurations.ts';

const deit = smallNetwork({ inputSize: 64, width: 48, depth: 3, heads: 3, classes: 10, pool: 'class-token' });
const mae = { ...deit, pool: 'mean' } as const;
const C = 48;
const lists = fc.array(fc.integer({ min: 2, max: 17 }), { minLength: 3, maxLength: 3 });

describe('countRealFlops', () => {
  it('equals the paper’s count plus the class token’s patch for the plain network', () => {
    expect(baselineRealFlops(deit).total).toBe(baselineFlops(deit).total - C * 16 * 16 * 3);
  });

  it('counts each matrix product of a block that prunes before attention', () => {
    const kept = { pruneKept: [17, 8, 8], mergeKept: [17, 6, 6] };
    const products =
      2 * 17 * C * C +
      (C * C + 17 * C) +
      (8 * C * C + 2 * 8 * 17 * C + 8 * C * C) +
      2 * 5 * C +
      2 * 6 * C +
      8 * 6 * C * C;
    expect(countRealFlops(deit, kept).blocks[1]).toBe(products);
  });

  it('counts every token as a query where too few are pruned to gather them first', () => {
    const kept = { pruneKept: [17, 12, 12], mergeKept: [17, 9, 9] };
    const keysAndValues = 2 * 17 * C * C;
    const queries = 17 * C * C + 2 * 17 * 17 * C + 17 * C * C;
    const matching = 3 * 8 * C;
    const merging = 3 * 9 * C;
    const mlp = 8 * 9 * C * C;
    expect(countRealFlops(deit, kept).blocks[1]).toBe(keysAndValues + queries + matching + merging + mlp);
  });

  it('gives a block that removes nothing its plain cost', () => {
    const plain = 4 * 17 * C * C + 2 * 17 * 17 * C + 8 * 17 * C * C;
    expect(countRealFlops(mae, uncompressed(3, 17)).blocks).toEqual([plain, plain, plain]);
  });

  it('computes one query in the last block of a network that reads the class token, whatever is kept there', () => {
    const last = 2 * 9 * C * C + C * C + 2 * 9 * C + C * C + 8 * C * C;
    const upTo = (kept: number): number | undefined =>
      countRealFlops(deit, { pruneKept: [17, 9, kept], mergeKept: [17, 9, kept] }).blocks[2];
    expect(upTo(9)).toBe(last);
    expect(upTo(3)).toBe(last);
    expect(upTo(1)).toBe(last);
  });

  it('costs no more than the plain network, however odd the schedule, up to choosing and merging', () => {
    fc.assert(
      fc.property(lists, lists, (pruneKept, mergeKept) => {
        const real = countRealFlops(mae, { pruneKept, mergeKept });
        const overhead = 3 * (C * C + 17 * C + 2 * 17 * 17 * C);
        expect(real.total).toBeLessThanOrEqual(baselineRealFlops(mae).total + overhead);
        expect(Number.isInteger(real.total)).toBe(true);
      }),
    );
  });

  it('is below the paper’s count for the published schedules of class-token networks', () => {
    for (const name of ['deit_tiny_patch16_224@0.8', 'deit_small_patch16_224@2.9', 'deit_base_patch16_224@11.5']) {
      const schedule = findPublishedSchedule(name);
      const { configuration } = findModel(schedule.model);
      if (configuration.family !== 'vision-transformer') throw new Error('family');
      expect(countRealFlops(configuration, schedule).total).toBeLessThan(countFlops(configuration, schedule).total);
    }
  });
});
