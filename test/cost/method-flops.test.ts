/** FLOPs of other methods by the paper's count against the figures of its tables. */
import { describe, expect, it } from 'vitest';
import { countMethodFlops, sumMethodFlops } from '../../src/cost/method-flops.ts';
import { baselineFlops } from '../../src/cost/flops.ts';
import { findModel } from '../../src/networks/registry.ts';
import { buildMethod, parseMethod } from '../../src/reduction/methods/registry.ts';
import { beforeBlock } from '../../src/reduction/methods/method.ts';
import { smallNetwork } from '../small-networks.ts';

const small = smallNetwork();

const gflops = (model: string, method: string): number => {
  const { network } = findModel(model);
  const { tokensPerBlock, work } = buildMethod(parseMethod(method), network);
  return countMethodFlops(network, tokensPerBlock, work).total / 1e9;
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
    const { total, blocks } = countMethodFlops(small, [17, 9, 9, 5], beforeBlock);
    const behind = countMethodFlops(small, [17, 9, 9, 5]);
    const { width } = small;
    expect(blocks[0]).toBe(behind.blocks[0]);
    expect(blocks[2]).toBe(behind.blocks[2]);
    const attention = (tokens: number): number => 4 * tokens * width ** 2 + 2 * tokens ** 2 * width;
    expect(behind.total - total).toBe(attention(17) - attention(9) + attention(9) - attention(5));
  });

  it('counts half of an attention before MCTF fuses and half after: its 2.6 GFLOPs of DeiT-S', () => {
    expect(gflops('deit_small_patch16_224', 'mctf:r=16')).toBeCloseTo(2.6, 1);
    // As the authors' code runs.
    expect(gflops('deit_tiny_patch16_224', 'mctf:r=16')).toBeCloseTo(0.697, 3);
    expect(gflops('deit_tiny_patch16_224', 'mctf:share=0.35,blocks=3/6/9')).toBeCloseTo(0.742, 3);
    const after = gflops('deit_tiny_patch16_224', 'mctf:r=16,ahead=0');
    expect(after).toBeGreaterThan(gflops('deit_tiny_patch16_224', 'tome:r=16'));
    expect(gflops('deit_tiny_patch16_224', 'mctf:r=0,ahead=2')).toBe(gflops('deit_tiny_patch16_224', 'tome:r=0'));
  });

  it('adds up images that keep different numbers', () => {
    const all = Array<number>(4).fill(17);
    const less = [17, 9, 9, 5];
    const of = (tokens: number[]): number => countMethodFlops(small, tokens).total;
    expect(of(all)).toBe(baselineFlops(small).total);
    expect(sumMethodFlops(small, [all, less, less])).toBeCloseTo(of(all) + 2 * of(less), 3);
  });
});
