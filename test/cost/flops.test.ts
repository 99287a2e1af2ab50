/** The paper's count against its tables, the authors' code and a plain loop. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flopsCost } from '../../src/cost/flops-cost.ts';
import { baselineFlops, countFlops, flopsPrices } from '../../src/cost/flops.ts';
import { DiffrateError } from '../../src/errors.ts';
import { findModel } from '../../src/networks/registry.ts';
import type { VisionTransformerConfiguration } from '../../src/networks/vision-transformer/configuration.ts';
import { visionTransformer } from '../../src/networks/vision-transformer/vision-transformer.ts';
import { findPublishedSchedule, publishedSchedules } from '../../src/reduction/published-schedules.ts';
import { uncompressed } from '../../src/reduction/schedule.ts';
import { searchSpace } from '../../src/reduction/search-space.ts';
import { squareSizes } from './configurations.ts';

const sizes = squareSizes(128, { width: 64, depth: 6, heads: 4, classes: 20, pool: 'class-token' });
const network = visionTransformer(sizes);
const tokens = 65;

const keptList = (depth: number): fc.Arbitrary<number[]> =>
  fc.array(fc.double({ min: 2, max: tokens + 4, noNaN: true }), { minLength: depth, maxLength: depth });

/** Algorithm 2 written as a plain loop. */
function plainFlops(c: VisionTransformerConfiguration, prune: number[], merge: number[]): number {
  const n0 = (c.inputSize.height / c.patchSize) * (c.inputSize.width / c.patchSize) + 1;
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
  const incoming = [tokens, ...out.slice(0, -1)];
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
    const known = findModel(model).network;
    const { total } = baselineFlops(known);
    expect(total / 1e9).toBeCloseTo(gflops, 3);
    expect(flopsCost(known).baseline).toBe(total / 1e9);
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
    expect(flopsCost(findModel(schedule.model).network).value(schedule)).toBeCloseTo(gflops, 3);
  });

  it.each(publishedSchedules)('gives $name the cost that its row states, near its budget', (schedule) => {
    const { total } = countFlops(findModel(schedule.model).network, schedule);
    expect(total / 1e9).toBeCloseTo(schedule.gflops ?? Number.NaN, 3);
    // DeiT-T's 0.6 G is the furthest from its name: 0.655 G.
    expect(Math.abs(total / 1e9 / Number(schedule.target) - 1)).toBeLessThan(0.1);
  });

  it('adds up, and equals a plain loop over Algorithm 2', () => {
    fc.assert(
      fc.property(keptList(6), keptList(6), (pruneKept, mergeKept) => {
        const count = countFlops(network, { pruneKept, mergeKept });
        expect(count.blocks).toHaveLength(6);
        const expected = plainFlops(sizes, pruneKept, mergeKept);
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
    expect(baselineFlops(visionTransformer({ ...sizes, classes: 0 })).after).toBe(0);
  });

  it('rejects lists of another length with a sentence', () => {
    expect(() => countFlops(network, { pruneKept: [65], mergeKept: [65, 65] })).toThrow(DiffrateError);
    expect(() => countFlops(network, uncompressed(5, tokens))).toThrow(/for 5 blocks but the network has 6/);
  });

  const authorsCounts = join(
    dirname(process.env['DIFFRATE_DATA'] ?? '../shared/data'),
    'golden-networks',
    'flops.json',
  );
  it.skipIf(!existsSync(authorsCounts))('gives CAFormer-S36 what the authors’ code counts, to the last one', () => {
    const { caformer_s36_224: counted } = JSON.parse(readFileSync(authorsCounts, 'utf8')) as {
      caformer_s36_224: {
        authors_formula: { plain: number; published: Record<string, { kept: number[]; macs: number }> };
      };
    };
    const { plain, published } = counted.authors_formula;
    const caformer = findModel('caformer_s36').network;
    expect(baselineFlops(caformer).total).toBe(plain);
    expect(Object.keys(published)).toHaveLength(3);
    for (const { kept, macs } of Object.values(published)) {
      // Three numbers more are of the last stage, where nothing goes.
      const mergeKept = kept.slice(0, caformer.depth);
      const pruneKept = mergeKept.map(() => 196);
      expect(countFlops(caformer, { pruneKept, mergeKept }).total).toBe(macs);
    }
  });
});

describe('flopsPrices', () => {
  it('are the slopes of moving one block’s N’ alone, at full weight whether P or K is the least', () => {
    fc.assert(
      fc.property(keptList(6), keptList(6), fc.nat(5), (pruneKept, mergeKept, block) => {
        let live = tokens;
        const out = pruneKept.map((kept, index) => (live = Math.min(live, kept, mergeKept[index] ?? kept)));
        const step = 1e-3;
        const moved = (by: number): number[] => out.map((n, index) => (index === block ? n + by : n));
        const slope = (flopsOfTokensOut(sizes, moved(step)) - flopsOfTokensOut(sizes, moved(-step))) / (2 * step);
        const prices = flopsPrices(network, { pruneKept, mergeKept });
        expect(Math.abs((prices[block] ?? 0) / slope - 1)).toBeLessThan(1e-5);
      }),
    );
  });

  it('give the last block its MLP alone', () => {
    const prices = flopsPrices(network, uncompressed(6, tokens));
    expect(prices.at(-1)).toBe(8 * 64 ** 2);
    expect(prices[0]).toBe(8 * 64 ** 2 + 4 * 64 ** 2 + 4 * 65 * 64);
  });
});

describe('flopsCost', () => {
  it('reaches from the uncompressed cost down to two tokens in every block but the frozen ones', () => {
    const cost = flopsCost(network);
    expect(cost.unit).toBe('GFLOPs');
    const published = cost.reachable(searchSpace(network, true));
    expect(published.max).toBe(cost.baseline);
    const least = [65, 2, 2, 2, 2, 2];
    expect(published.min).toBeCloseTo(plainFlops(sizes, least, least) / 1e9, 12);
    // Where the last block computes its class token alone, it keeps that alone.
    const own = cost.reachable(searchSpace(network));
    const [low, high] = [least.with(5, 1), [65, 65, 65, 65, 65, 1]];
    expect(own.min).toBeCloseTo(plainFlops(sizes, low, low) / 1e9, 12);
    expect(own.max).toBeCloseTo(plainFlops(sizes, high, high) / 1e9, 12);
  });

  it('reaches down to one patch behind the prefix tokens', () => {
    const registers = {
      prefixTokens: [
        { name: 'cls_token', count: 1 },
        { name: 'reg_token', count: 8 },
      ],
    };
    const prefixed = visionTransformer({ ...sizes, ...registers });
    const least = { pruneKept: [73, 10, 10, 10, 10, 10], mergeKept: [73, 10, 10, 10, 10, 10] };
    const { min } = flopsCost(prefixed).reachable(searchSpace(prefixed, true));
    expect(min).toBe(countFlops(prefixed, least).total / 1e9);
  });

  it('says what no schedule changes', () => {
    const { before, after } = network.flops;
    expect(before).toBe(65 * 64 * 16 * 16 * 3);
    expect(after).toBe(64 * 20);
    expect(flopsCost(network).fixed).toBe((before + after) / 1e9);
  });

  it('scales its prices as its value', () => {
    const kept = { pruneKept: [65, 60, 50, 40, 30, 20], mergeKept: [65, 55, 45, 35, 25, 15] };
    const flops = flopsPrices(network, kept);
    expect(flopsCost(network).price(kept, 3)).toEqual(flops.map((value) => value / 1e9));
  });

  it.each(['caformer_s36', 'mae_vit_base_patch16'])('has prices for %s that agree with its value', (model) => {
    const cost = flopsCost(findModel(model).network);
    const depth = model === 'caformer_s36' ? 18 : 12;
    const falling = Array.from({ length: depth }, (_, block) => 180 - 6 * block);
    const kept = { pruneKept: falling, mergeKept: falling };
    const prices = cost.price(kept, 1);
    for (const block of falling.keys()) {
      const moved = (by: number): number => {
        const list = falling.map((n, index) => (index === block ? n + by : n));
        return cost.value({ pruneKept: list, mergeKept: list });
      };
      const slope = moved(0.5) - moved(-0.5);
      expect((prices[block] ?? 0) / slope).toBeCloseTo(1, 6);
    }
  });
});
