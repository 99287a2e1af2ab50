/**
 * What the scripts of `bench/paper` compute before they measure: kept numbers, quantiles,
 * extrapolations.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quantiles } from '../../../bench/paper/figure-4.ts';
import { uniformAt } from '../../../bench/paper/figure-6.ts';
import { mergingFirst } from '../../../bench/paper/table-4b.ts';
import { paperSeconds } from '../../../bench/paper/table-4d.ts';
import type { RankedSchedule } from '../../../src/comparison/random-ranking.ts';
import { baselineFlops, countFlops } from '../../../src/cost/flops.ts';
import { effectiveTokens } from '../../../src/reduction/schedule.ts';
import { smallNetwork } from '../../small-networks.ts';

describe('Table 4b', () => {
  it('merges and prunes as many tokens in either order, and leaves as many', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 2, max: 20 })), {
          minLength: 1,
          maxLength: 6,
        }),
        (blocks) => {
          const kept = { pruneKept: blocks.map(([prune]) => prune), mergeKept: blocks.map(([, merge]) => merge) };
          const turned = mergingFirst(kept, 17);
          let live = 17;
          for (const [block, own] of effectiveTokens(kept, 17).entries()) {
            const [merge = 0, prune = 0] = [turned.mergeKept[block], turned.pruneKept[block]];
            expect(live).toBe(own.tokensIn);
            // First merging, then pruning.
            expect(live - merge).toBe(own.pruneKept - own.tokensOut);
            expect(merge - prune).toBe(own.tokensIn - own.pruneKept);
            live = prune;
            expect(live).toBe(own.tokensOut);
          }
          expect(effectiveTokens(turned, 17).map(({ tokensOut }) => tokensOut)).toEqual(
            effectiveTokens(kept, 17).map(({ tokensOut }) => tokensOut),
          );
        },
      ),
    );
  });

  it('merges by the rule of the schedule in either order', () => {
    const kept = { pruneKept: [16, 12], mergeKept: [14, 10], merging: 'patches' } as const;
    expect(mergingFirst(kept, 17).merging).toBe('patches');
  });
});

describe('Figure 4', () => {
  it('names the best, the median and the worst of random schedules', () => {
    const byKl = Array.from({ length: 101 }, (_, index) => ({ kl: index }) as RankedSchedule);
    expect(quantiles(byKl).map(({ schedule }) => schedule.kl)).toEqual([0, 1, 50, 100]);
    expect(quantiles([])).toEqual([]);
  });
});

describe('Figure 6', () => {
  it('compares with the uniform rate that costs just the budget', () => {
    const network = smallNetwork();
    const baseline = baselineFlops(network).total / 1e9;
    for (const share of [0.6, 0.75, 0.9]) {
      const kept = uniformAt({ network }, share * baseline);
      const gflops = countFlops(network, kept).total / 1e9;
      expect(gflops).toBeLessThanOrEqual(share * baseline);
      // One token more or less of 17 in a block is some percent.
      expect(gflops).toBeGreaterThan((share - 0.08) * baseline);
    }
  });
});

describe('Table 4d', () => {
  it('extrapolates a search of the paper’s length from its pace', () => {
    // 1,024 images in 2 s: 3 × 1,281,167 images.
    expect(paperSeconds({ seconds: 4, steps: 2 })).toBeCloseTo((3 * 1_281_167 * 2) / 1024, 6);
  });
});
