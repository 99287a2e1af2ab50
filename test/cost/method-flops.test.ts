/** FLOPs of other methods by the paper's count against the figures of its tables, and those read off a graph. */
import { describe, expect, it } from 'vitest';
import { countGraphFlops } from '../../src/cost/graph-flops.ts';
import { countMethodFlops, sumMethodFlops } from '../../src/cost/method-flops.ts';
import { baselineFlops } from '../../src/cost/flops.ts';
import { baselineRealFlops, countRealFlops } from '../../src/cost/real-flops.ts';
import { tokenCount } from '../../src/models/configuration.ts';
import type { VisionTransformerConfiguration } from '../../src/models/configuration.ts';
import { findModel } from '../../src/models/registry.ts';
import { scheduleTarget } from '../../src/models/schedule-target.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { buildMethod, parseMethod } from '../../src/reduction/methods/registry.ts';
import { smallConfiguration, smallSchedule } from '../random-network.ts';

const configurationOf = (name: string): VisionTransformerConfiguration =>
  findModel(name).configuration as VisionTransformerConfiguration;

const gflops = (model: string, method: string): number => {
  const configuration = configurationOf(model);
  const { tokensPerBlock, reducesBeforeBlock } = buildMethod(parseMethod(method), scheduleTarget(configuration, model));
  return countMethodFlops(configuration, tokensPerBlock, reducesBeforeBlock).total / 1e9;
};

describe('countMethodFlops', () => {
  // DiffRate, Table 1, and ToMe's r there.
  it.each([
    ['deit_small_patch16_224', 'evit:rate=0.5', 2.28],
    ['deit_small_patch16_224', 'evit:rate=0.7', 3.0],
    ['deit_base_patch16_224', 'evit:rate=0.5', 8.72],
    ['deit_base_patch16_224', 'evit:rate=0.7', 11.49],
    ['mae_vit_large_patch16', 'evit:rate=0.5', 29.67],
    ['mae_vit_large_patch16', 'evit:rate=0.7', 39.63],
    ['deit_small_patch16_224', 'tome:r=16', 2.29],
    ['deit_base_patch16_224', 'tome:r=16', 8.77],
    ['deit_base_patch16_224', 'tome:r=11', 11.46],
    ['mae_vit_large_patch16', 'tome:r=8', 30.96],
    ['mae_vit_large_patch16', 'tome:r=5', 42.29],
    ['mae_vit_huge_patch14', 'tome:r=7', 92.84],
    ['mae_vit_huge_patch14', 'tome:r=6', 103.31],
    ['deit_small_patch16_224', 'ppt:r=50', 2.94],
  ])('%s with %s has %d GFLOPs', (model, method, published) => {
    expect(gflops(model, method)).toBeCloseTo(published, 1);
    expect(Math.abs(gflops(model, method) - published) / published).toBeLessThan(0.005);
  });

  it('counts attention on what is left where tokens go before it: DynamicViT’s 2.9 GFLOPs of DeiT-S', () => {
    expect(gflops('deit_small_patch16_224', 'dynamicvit:keep=0.7')).toBeCloseTo(2.9, 1);
    const { total, blocks } = countMethodFlops(smallConfiguration, [17, 9, 9, 5], true);
    const behind = countMethodFlops(smallConfiguration, [17, 9, 9, 5]);
    const { width } = smallConfiguration;
    expect(blocks[0]).toBe(behind.blocks[0]);
    expect(blocks[2]).toBe(behind.blocks[2]);
    const attention = (tokens: number): number => 4 * tokens * width ** 2 + 2 * tokens ** 2 * width;
    expect(behind.total - total).toBe(attention(17) - attention(9) + attention(9) - attention(5));
  });

  it('adds up images that keep different numbers', () => {
    const all = Array<number>(4).fill(17);
    const less = [17, 9, 9, 5];
    const of = (tokens: number[]): number => countMethodFlops(smallConfiguration, tokens).total;
    expect(of(all)).toBe(baselineFlops(smallConfiguration).total);
    expect(sumMethodFlops(smallConfiguration, [all, less, less])).toBeCloseTo(of(all) + 2 * of(less), 3);
  });
});

describe('countGraphFlops', () => {
  it('counts a plain network as real-flops.ts does, every token of the last block computed', () => {
    const plain = { name: 'plain', needsEveryQuery: true };
    for (const configuration of [smallConfiguration, configurationOf('deit_tiny_patch16_224')])
      expect(countGraphFlops(configuration, plain)).toBe(baselineRealFlops(configuration).total);
  });

  it('counts networks whose input is no multiple of the patch size', () => {
    const odd = { ...smallConfiguration, inputSize: smallConfiguration.inputSize + smallConfiguration.patchSize / 2 };
    expect(tokenCount(odd)).toBe(tokenCount(smallConfiguration));
    const ragged = { name: 'ragged', ragged: true };
    expect(countGraphFlops(odd, ragged)).toBe(countGraphFlops(smallConfiguration, ragged));
  });

  it('counts every token of the last block where they are to be counted, as such a network is run', () => {
    const ragged = { name: 'ragged', ragged: true };
    expect(countGraphFlops(smallConfiguration, ragged)).toBe(baselineRealFlops(smallConfiguration).total);
    expect(countGraphFlops(smallConfiguration, { name: 'static' })).toBeLessThan(
      countGraphFlops(smallConfiguration, ragged),
    );
  });

  it('agrees with what is written down for DiffRate', () => {
    const tokens = tokenCount(smallConfiguration);
    const counted = countGraphFlops(smallConfiguration, diffRate(smallSchedule, tokens));
    // real-flops.ts leaves the class token out of the matching, which the graph only masks.
    const written = countRealFlops(smallConfiguration, smallSchedule).total;
    expect(Math.abs(counted / written - 1)).toBeLessThan(0.01);
  });
});
