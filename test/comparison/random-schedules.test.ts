/**
 * Random schedules: monotone, within 1 % below the budget, the same for the same seed, and uniform
 * over their set.
 */
import { assert, double, nat, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { budgetTolerance, randomSchedules } from '../../src/comparison/random-schedules.ts';
import { baselineFlops, countFlops } from '../../src/cost/flops.ts';
import { DiffrateError } from '../../src/errors.ts';
import type { NetworkDescription } from '../../src/networks/network.ts';
import { findModel } from '../../src/networks/registry.ts';
import { tokensOf } from '../../src/reduction/network-shape.ts';
import { validateSchedule } from '../../src/reduction/validate-schedule.ts';
import { smallNetwork } from '../small-networks.ts';

const tiny = findModel('deit_tiny_patch16_224').network;
const large = findModel('mae_vit_large_patch16').network;
const registers = smallNetwork({
  inputSize: { height: 64, width: 96 },
  depth: 6,
  prefixTokens: [
    { name: 'cls_token', count: 1 },
    { name: 'reg_token', count: 4 },
  ],
});
const baseline = (network: NetworkDescription): number => baselineFlops(network).total / 1e9;

describe('randomSchedules', () => {
  it.each([
    ['deit_tiny_patch16_224', tiny],
    ['mae_vit_large_patch16', large],
    ['a network that may only merge', findModel('caformer_s36').network],
    ['an oblong network with registers', registers],
  ])('of %s never rise, fit the network, and are within the budget', (_, network) => {
    // Of CAFormer less can go: two stages stand before the span, and another follows it.
    const least = network.mergeOnly ? 0.7 : 0.5;
    assert(
      property(double({ min: least, max: 0.95, noNaN: true }), nat(1000), (share, seed) => {
        const gflops = share * baseline(network);
        for (const kept of randomSchedules(network, { count: 4, gflops, seed })) {
          const found = countFlops(network, kept).total / 1e9;
          expect(found).toBeLessThanOrEqual(gflops);
          expect(found).toBeGreaterThanOrEqual(gflops * (1 - budgetTolerance));
          expect(kept.pruneKept[0]).toBe(tokensOf(network));
          const { height, width } = network.input;
          const inputSize = height === width ? height : ([height, width] as const);
          const whole = { ...kept, model: 'any', inputSize, gflops: null, target: null, createdBy: '' };
          expect(validateSchedule(whole, network)).toEqual([]);
          for (const [block, merged] of kept.mergeKept.entries()) {
            expect(kept.pruneKept[block]).toBeGreaterThanOrEqual(merged);
            expect(kept.mergeKept[block - 1] ?? Infinity).toBeGreaterThanOrEqual(kept.pruneKept[block] ?? 0);
          }
        }
      }),
      { numRuns: 4 },
    );
  });

  it('are the same for the same seed and others for another', () => {
    const draw = (seed: number): unknown => randomSchedules(tiny, { count: 3, gflops: 0.8, seed });
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('draws every schedule of the set, each about as often as the others', () => {
    // Three blocks of nine tokens: a set that can be written down.
    const network = smallNetwork({ inputSize: { height: 16, width: 16 }, patchSize: 4, depth: 3 });
    const gflops = 0.62 * baseline(network);
    const expected = new Set<string>();
    const tokens = tokensOf(network);
    const prunings = (from: number, to: number): number[] => [
      ...new Set([0, 0.5, 1].map((share) => from - Math.round(share * (from - to)))),
    ];
    for (let second = 2; second <= tokens; second++) {
      for (let third = 2; third <= second; third++) {
        for (const first of prunings(tokens, second)) {
          for (const last of prunings(second, third)) {
            const kept = { pruneKept: [tokens, first, last], mergeKept: [tokens, second, third] };
            const found = countFlops(network, kept).total / 1e9;
            if (found <= gflops && found >= gflops * (1 - budgetTolerance)) expected.add(JSON.stringify(kept));
          }
        }
      }
    }
    expect(expected.size).toBeGreaterThan(5);
    const draws = 400 * expected.size;
    const counts = new Map<string, number>();
    for (const kept of randomSchedules(network, { count: draws, gflops, seed: 3 })) {
      const name = JSON.stringify(kept);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual([...expected].sort());
    // Five standard deviations of a count of 400.
    for (const count of counts.values()) expect(Math.abs(count - 400)).toBeLessThan(100);
  });

  it('says where there is none', () => {
    expect(() => randomSchedules(tiny, { count: 1, gflops: 0.05, seed: 0 })).toThrow(DiffrateError);
    expect(() => randomSchedules(tiny, { count: 1, gflops: 9, seed: 0 })).toThrow(/no random schedule of 9 GFLOPs/);
  });
});
