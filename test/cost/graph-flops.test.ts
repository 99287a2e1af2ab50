/**
 * Multiply-accumulates read off graphs against sums over the matrix products that a compressed
 * network is made of, written down by hand.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { baselineFlops, countFlops } from '../../src/cost/flops.ts';
import { countGraphFlops, matrixProductFlops } from '../../src/cost/graph-flops.ts';
import { forward, pixelInput } from '../../src/networks/forward.ts';
import type { Network } from '../../src/networks/network.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import { findModel } from '../../src/networks/registry.ts';
import type { VisionTransformerConfiguration } from '../../src/networks/vision-transformer/configuration.ts';
import { visionTransformer } from '../../src/networks/vision-transformer/vision-transformer.ts';
import { mergeRules } from '../../src/reduction/merge-rule.ts';
import type { MergeRule } from '../../src/reduction/merge-rule.ts';
import { diffRate, prunesBeforeAttention } from '../../src/reduction/methods/diffrate.ts';
import { findPublishedSchedule } from '../../src/reduction/published-schedules.ts';
import { uncompressed } from '../../src/reduction/schedule.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { smallNetwork, smallSizes, smallWeights } from '../small-networks.ts';
import { squareSizes } from './configurations.ts';

const deit = squareSizes(64, { width: 48, depth: 3, heads: 3, classes: 10, pool: 'class-token' });
const mae: VisionTransformerConfiguration = { ...deit, pool: 'mean' };
/** Two prefix tokens, other sizes of everything. */
const oblong: VisionTransformerConfiguration = {
  ...squareSizes(64, { width: 32, depth: 4, heads: 4, classes: 7, pool: 'class-token' }),
  inputSize: { height: 80, width: 48 },
  channels: 1,
  hiddenWidth: 40,
  prefixTokens: [
    { name: 'cls_token', count: 1 },
    { name: 'reg_token', count: 1 },
  ],
};
const every = { name: 'every token', needsEveryQuery: true };

/** What goes into a block, and what it keeps. */
interface Block {
  readonly entering: number;
  readonly pruned: number;
  readonly merged: number;
  /** A block before it has merged. */
  readonly hasSizes: boolean;
}

/**
 * Merging S of P tokens into K: `[S, C]·[C, K]`, the one-hot `[K, S]` times the S tokens, and times
 * columns of the arrivals and of the sizes.
 */
function mergeProducts({ pruned, merged, hasSizes }: Block, width: number, rule: MergeRule): number {
  const sources = pruned - merged;
  if (sources === 0) return 0;
  const matching = sources * width * merged;
  const features = merged * sources * width;
  const column = merged * sources;
  // How many arrive is a column, and what they weigh another one where that is not the same.
  const columns = { similarity: 2, count: hasSizes ? 2 : 1, patches: 1 }[rule];
  return matching + features + columns * column;
}

/** The products of a block of C channels, H heads and M hidden ones. */
function blockProducts(block: Block, c: VisionTransformerConfiguration, rule: MergeRule): number {
  const { entering: N, pruned: P, merged: K } = block;
  const { width: C, heads: H, hiddenWidth: M } = c;
  const early = prunesBeforeAttention(N, P, C);
  const queries = early ? P : N;
  const keysAndValues = 2 * N * C * C;
  // The class token's query and its products with N keys are computed ahead of the others' where
  // these are chosen by them.
  const ahead = early ? C * C + N * C : 0;
  // The mean over heads of the class token's row is a product with a column.
  const ranking = K < N ? N * H : 0;
  const attention = queries * C * C + 2 * queries * N * C + queries * C * C;
  return keysAndValues + ahead + ranking + attention + mergeProducts(block, C, rule) + 2 * K * C * M;
}

/**
 * The products of the last block where prefix tokens alone are read: so many queries, so many in
 * the MLP, whatever is kept there.
 */
function prefixBlockProducts(N: number, prefix: number, { width: C, hiddenWidth: M }: VisionTransformerConfiguration) {
  return 2 * N * C * C + prefix * (C * C + 2 * N * C + C * C + 2 * C * M);
}

/** All products of a compressed network. */
function plainProducts(c: VisionTransformerConfiguration, kept: KeptNumbers, rule: MergeRule): number {
  const patches = Math.floor(c.inputSize.height / c.patchSize) * Math.floor(c.inputSize.width / c.patchSize);
  const prefix = c.prefixTokens.reduce((sum, { count }) => sum + count, 0);
  let total = patches * c.width * c.patchSize ** 2 * c.channels + c.width * c.classes;
  let entering = patches + prefix;
  let hasSizes = false;
  for (let index = 0; index < c.depth; index++) {
    if (c.pool === 'class-token' && index === c.depth - 1) return total + prefixBlockProducts(entering, prefix, c);
    const pruned = Math.min(entering, kept.pruneKept[index] as number);
    const merged = Math.min(pruned, kept.mergeKept[index] as number);
    total += blockProducts({ entering, pruned, merged, hasSizes }, c, rule);
    hasSizes ||= merged < pruned;
    entering = merged;
  }
  // A mean of patches that weigh differently is a product.
  return total + (hasSizes ? (entering - prefix) * c.width : 0);
}

const counted = (c: VisionTransformerConfiguration, kept: KeptNumbers, merging?: MergeRule): number => {
  const network = visionTransformer(c);
  return countGraphFlops(network, diffRate(kept, network, merging === undefined ? {} : { merging }));
};

describe('countGraphFlops of a plain network', () => {
  it('is the paper’s count but for the prefix tokens, which are not made of pixels', () => {
    for (const sizes of [deit, mae, oblong, smallSizes]) {
      const network = visionTransformer(sizes);
      const prefix = sizes.prefixTokens.length;
      const ofPixels = prefix * sizes.width * sizes.patchSize ** 2 * sizes.channels;
      expect(countGraphFlops(network)).toBe(baselineFlops(network).total - ofPixels);
      // A reducer that needs every query has every token of the last block computed as well.
      expect(countGraphFlops(network, every)).toBe(countGraphFlops(network));
    }
  });

  it('counts the networks of the registry', () => {
    const { declared, network } = findModel('deit_tiny_patch16_224');
    const counts = countGraphFlops(declared?.network as Network);
    expect(counts).toBe(baselineFlops(network).total - 192 * 16 * 16 * 3);
  });

  it('is the same where patches are embedded by a convolution, as with the weights of a checkpoint', () => {
    for (const sizes of [deit, oblong]) {
      const network = visionTransformer(sizes);
      const parameters = parametersFromWeights(smallWeights(network), 'random weights');
      const { answer } = forward(network, pixelInput(network), { parameters });
      expect(matrixProductFlops(answer)).toBe(countGraphFlops(network));
    }
  });

  it('counts networks whose input is no multiple of the patch size', () => {
    const odd = smallNetwork({ inputSize: { height: 36, width: 39 } });
    expect(odd.layout).toEqual(smallNetwork().layout);
    expect(countGraphFlops(odd)).toBe(countGraphFlops(smallNetwork()));
  });
});

describe('countGraphFlops of a network with DiffRate', () => {
  it('has each matrix product of a block that prunes before attention', () => {
    const C = 48;
    const kept = { pruneKept: [17, 8, 8], mergeKept: [17, 6, 6] };
    const first = 4 * 17 * C * C + 2 * 17 * 17 * C + 8 * 17 * C * C;
    const second =
      2 * 17 * C * C +
      (C * C + 17 * C) +
      17 * 3 +
      (8 * C * C + 2 * 8 * 17 * C + 8 * C * C) +
      2 * 6 * C +
      2 * 6 * C +
      2 * (2 * 6) +
      8 * 6 * C * C;
    const last = 2 * 6 * C * C + C * C + 2 * 6 * C + C * C + 8 * C * C;
    expect(counted(deit, kept)).toBe(16 * C * 16 * 16 * 3 + first + second + last + C * 10);
  });

  it('has every token as a query where too few are pruned to gather them first', () => {
    const C = 48;
    const kept = { pruneKept: [17, 12, 12], mergeKept: [17, 9, 9] };
    const first = 4 * 17 * C * C + 2 * 17 * 17 * C + 8 * 17 * C * C;
    const second =
      2 * 17 * C * C +
      (17 * C * C + 2 * 17 * 17 * C + 17 * C * C) +
      17 * 3 +
      3 * 9 * C +
      3 * 9 * C +
      2 * (3 * 9) +
      8 * 9 * C * C;
    const last = 2 * 9 * C * C + C * C + 2 * 9 * C + C * C + 8 * C * C;
    expect(counted(deit, kept)).toBe(16 * C * 16 * 16 * 3 + first + second + last + C * 10);
  });

  it('is the sum of the products, for any schedule, rule, prefix and shape', () => {
    const sizes = fc.constantFrom(deit, mae, oblong);
    const list = (from: number): fc.Arbitrary<number[]> =>
      fc.array(fc.integer({ min: from, max: 19 }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(sizes, list(3), list(3), fc.constantFrom(...mergeRules), (c, prune, merge, rule) => {
        const kept = { pruneKept: prune.slice(0, c.depth), mergeKept: merge.slice(0, c.depth) };
        const real = counted(c, kept, rule);
        expect(real).toBe(plainProducts(c, kept, rule));
        // Choosing and merging is all that a schedule can add.
        const { width: C, heads: H } = c;
        const overhead = c.depth * (C * C + 17 * (C + H) + 2 * 17 * 17 * (C + 1));
        expect(real).toBeLessThanOrEqual(countGraphFlops(visionTransformer(c)) + overhead);
      }),
      { numRuns: 60 },
    );
  });

  it('is that of the plain network where nothing goes, but for the last block', () => {
    const all = uncompressed(3, 17);
    expect(counted(mae, all)).toBe(countGraphFlops(visionTransformer(mae)));
    const C = 48;
    const saved = 16 * (2 * C * C + 2 * 17 * C + 8 * C * C);
    expect(counted(deit, all)).toBe(countGraphFlops(visionTransformer(deit)) - saved);
  });

  it('has one query in the last block of a network that reads the class token, whatever is kept there', () => {
    const upTo = (kept: number): number => counted(deit, { pruneKept: [17, 9, kept], mergeKept: [17, 9, kept] });
    expect(upTo(3)).toBe(upTo(9));
    expect(upTo(1)).toBe(upTo(9));
  });

  it('has every token of the last block where they are to be counted, as such a network is run', () => {
    const network = smallNetwork();
    const ragged = { name: 'ragged', ragged: true };
    expect(countGraphFlops(network, ragged)).toBe(countGraphFlops(network));
    expect(countGraphFlops(network, { name: 'static' })).toBeLessThan(countGraphFlops(network, ragged));
  });

  it('is below the paper’s count for the published schedules of networks that read a class token', () => {
    for (const name of ['deit_tiny_patch16_224@0.8', 'deit_small_patch16_224@2.9', 'deit_base_patch16_224@11.5']) {
      const schedule = findPublishedSchedule(name);
      const { declared, network } = findModel(schedule.model);
      const real = countGraphFlops(declared?.network as Network, diffRate(schedule, network));
      expect(real).toBeLessThan(countFlops(network, schedule).total);
    }
  });
});
