import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { baselineHierarchicalFlops } from '../../src/cost/caformer-flops.ts';
import { countModelFlops, flopsCost } from '../../src/cost/flops-cost.ts';
import { baselineFlops, countFlops, flopsGradient } from '../../src/cost/flops.ts';
import { DiffrateError } from '../../src/errors.ts';
import { tokenCount, type VisionTransformerConfiguration } from '../../src/models/configuration.ts';
import { findModel } from '../../src/models/registry.ts';
import { findPublishedSchedule, publishedSchedules } from '../../src/reduction/published-schedules.ts';
import { uncompressed } from '../../src/reduction/schedule.ts';
import { smallNetwork } from './configurations.ts';

const network = smallNetwork({ inputSize: 128, width: 64, depth: 6, heads: 4, classes: 20, pool: 'class-token' });
const tokens = tokenCount(network);

const keptList = (depth: number): fc.Arbitrary<number[]> =>
  fc.array(fc.double({ min: 2, max: tokens + 4, noNaN: true }), { minLength: depth, maxLength: depth });

/** Algorithm 2 written as a plain loop. */
function plainFlops(c: VisionTransformerConfiguration, prune: number[], merge: number[]): number {
  const n0 = (c.inputSize / c.patchSize) ** 2 + 1;
  let total = n0 * c.width * 3 * c.patchSize * c.patchSize + c.width * c.classes;
  let n = n0;
  for (let block = 0; block < c.depth; block++) {
    total += 4 * n * c.width * c.width + 2 * n * n * c.width;
    n = Math.min(n, prune[block] ?? n, merge[block] ?? n);
    total += 8 * n * c.width * c.width;
  }
  return total;
}

/** The same with N' of every block given, so that one can be moved alone. */
function flopsOfTokensOut(c: VisionTransformerConfiguration, out: number[]): number {
  const incoming = [tokenCount(c), ...out.slice(0, -1)];
  const mlp = out.reduce((sum, n) => sum + 8 * n * c.width ** 2, 0);
  return incoming.reduce((sum, n) => sum + 4 * n * c.width ** 2 + 2 * n * n * c.width, mlp);
}

describe('countFlops', () => {
  it.each([
    ['deit_tiny_patch16_224', 1.254],
    ['deit_small_patch16_224', 4.599],
    ['deit_base_patch16_224', 17.564],
    ['mae_vit_large_patch16', 61.555],
    ['mae_vit_huge_patch14', 167.296],
    ['caformer_s36', 7.973],
  ])('gives %s the uncompressed cost of the paper', (model, gflops) => {
    const { configuration } = findModel(model);
    const total =
      configuration.family === 'hierarchical'
        ? baselineHierarchicalFlops(configuration).total
        : baselineFlops(configuration).total;
    expect(total / 1e9).toBeCloseTo(gflops, 3);
    expect(flopsCost(configuration).baseline).toBe(total / 1e9);
  });

  it.each([
    ['deit_tiny_patch16_224@0.6', 0.655],
    ['deit_small_patch16_224@2.9', 2.905],
    ['deit_base_patch16_224@11.5', 11.517],
    ['mae_vit_large_patch16@42.3', 42.29],
    ['mae_vit_huge_patch14@103.4', 103.337],
    ['caformer_s36@5.6', 5.604],
  ])('gives %s the cost of the reference', (name, gflops) => {
    const schedule = findPublishedSchedule(name);
    expect(flopsCost(findModel(schedule.model).configuration).value(schedule)).toBeCloseTo(gflops, 3);
  });

  it.each(publishedSchedules)('gives $name the cost that its row states, near its budget', (schedule) => {
    const { total } = countModelFlops(findModel(schedule.model).configuration, schedule);
    expect(total / 1e9).toBeCloseTo(schedule.gflops ?? Number.NaN, 3);
    // DeiT-T's 0.6 G is the furthest from its name: 0.655 G.
    expect(Math.abs(total / 1e9 / Number(schedule.target) - 1)).toBeLessThan(0.1);
  });

  it('adds up, and equals a plain loop over Algorithm 2', () => {
    fc.assert(
      fc.property(keptList(6), keptList(6), (pruneKept, mergeKept) => {
        const count = countFlops(network, { pruneKept, mergeKept });
        expect(count.blocks).toHaveLength(6);
        const expected = plainFlops(network, pruneKept, mergeKept);
        expect(Math.abs(count.total - expected)).toBeLessThan(1e-9 * expected);
        const sum = count.before + count.after + count.blocks.reduce((a, b) => a + b, 0);
        expect(Math.abs(count.total - sum)).toBeLessThan(1e-9 * sum);
      }),
    );
  });

  it('never falls when a kept number rises', () => {
    const raise = fc.tuple(fc.nat(5), fc.double({ min: 0, max: 20, noNaN: true }), fc.boolean());
    fc.assert(
      fc.property(keptList(6), keptList(6), raise, (pruneKept, mergeKept, [block, by, inPrune]) => {
        const raised = (inPrune ? pruneKept : mergeKept).map((kept, index) => (index === block ? kept + by : kept));
        const more = inPrune ? { pruneKept: raised, mergeKept } : { pruneKept, mergeKept: raised };
        const before = countFlops(network, { pruneKept, mergeKept }).total;
        expect(countFlops(network, more).total).toBeGreaterThanOrEqual(before * (1 - 1e-12));
      }),
    );
  });

  it('counts a network without a head', () => {
    const encoder = { ...network, classes: 0 };
    expect(baselineFlops(encoder).after).toBe(0);
  });

  it('rejects lists of another length with a sentence', () => {
    expect(() => countFlops(network, { pruneKept: [65], mergeKept: [65, 65] })).toThrow(DiffrateError);
  });
});

describe('flopsGradient', () => {
  it('is the slope of moving one block’s N’ alone, at full weight for P and K', () => {
    fc.assert(
      fc.property(keptList(6), keptList(6), fc.nat(5), (pruneKept, mergeKept, block) => {
        let live = tokens;
        const out = pruneKept.map((kept, index) => (live = Math.min(live, kept, mergeKept[index] ?? kept)));
        const step = 1e-3;
        const moved = (by: number): number[] => out.map((n, index) => (index === block ? n + by : n));
        const slope = (flopsOfTokensOut(network, moved(step)) - flopsOfTokensOut(network, moved(-step))) / (2 * step);
        const gradient = flopsGradient(network, { pruneKept, mergeKept });
        expect(Math.abs((gradient.prune[block] ?? 0) / slope - 1)).toBeLessThan(1e-5);
        expect(gradient.merge[block]).toBe(gradient.prune[block]);
      }),
    );
  });

  it('gives the last block its MLP alone', () => {
    const gradient = flopsGradient(network, uncompressed(6, tokens));
    expect(gradient.merge.at(-1)).toBe(8 * 64 ** 2);
    expect(gradient.merge[0]).toBe(8 * 64 ** 2 + 4 * 64 ** 2 + 4 * 65 * 64);
  });
});

describe('flopsCost', () => {
  it('reaches from the uncompressed cost down to two tokens in every block but the frozen ones', () => {
    const cost = flopsCost(network);
    expect(cost.unit).toBe('GFLOPs');
    expect(cost.range.max).toBe(cost.baseline);
    const least = [65, 2, 2, 2, 2, 2];
    expect(cost.range.min).toBeCloseTo(plainFlops(network, least, least) / 1e9, 12);
    const wider = flopsCost(network, { minimumKept: 10, compressible: [true, true, true, true, true, true] });
    const ten = Array<number>(6).fill(10);
    expect(wider.range.min).toBeCloseTo(plainFlops(network, ten, ten) / 1e9, 12);
  });

  it('scales its gradient as its value', () => {
    const kept = { pruneKept: [65, 60, 50, 40, 30, 20], mergeKept: [65, 55, 45, 35, 25, 15] };
    const flops = flopsGradient(network, kept);
    expect(flopsCost(network).gradient(kept).merge).toEqual(flops.merge.map((value) => value / 1e9));
  });

  it.each(['caformer_s36', 'mae_vit_base_patch16'])('has a gradient for %s that agrees with its value', (model) => {
    const cost = flopsCost(findModel(model).configuration);
    const depth = model === 'caformer_s36' ? 18 : 12;
    const falling = Array.from({ length: depth }, (_, block) => 180 - 6 * block);
    const kept = { pruneKept: falling, mergeKept: falling };
    const gradient = cost.gradient(kept);
    for (const block of falling.keys()) {
      const moved = (by: number): number => {
        const list = falling.map((n, index) => (index === block ? n + by : n));
        return cost.value({ pruneKept: list, mergeKept: list });
      };
      const slope = moved(0.5) - moved(-0.5);
      expect((gradient.prune[block] ?? 0) / slope).toBeCloseTo(1, 6);
    }
  });
});
