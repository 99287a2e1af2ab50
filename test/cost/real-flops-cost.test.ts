/** Real FLOPs as a cost: what whole graphs hold, for any schedule and rule. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countGraphFlops } from '../../src/cost/graph-flops.ts';
import { realFlopsCost } from '../../src/cost/real-flops-cost.ts';
import { visionTransformer } from '../../src/networks/vision-transformer/vision-transformer.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { tokenCount } from '../../src/reduction/token-layout.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import { squareSizes } from './configurations.ts';

const rules = [{}, { merging: 'patches' }, { merging: 'patches', selection: dissimilarity }] as const;

describe.each(['class-token', 'mean'] as const)('real FLOPs of a network that reads %s', (pool) => {
  const network = visionTransformer(squareSizes(64, { width: 48, depth: 4, heads: 3, classes: 10, pool }));
  const tokens = tokenCount(network.layout);

  it.each(rules)('are what the graph holds, with %o', (rule) => {
    const cost = realFlopsCost(network, rule);
    const number = fc.integer({ min: 3, max: tokens });
    const numbers = fc.array(number, { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(numbers, numbers, (pruneKept, mergeKept) => {
        const kept = { pruneKept, mergeKept, ...rule };
        const flops = countGraphFlops(network, diffRate(kept, network)) / 1e9;
        expect(cost.value(kept)).toBeCloseTo(flops, 12);
      }),
      { numRuns: 60 },
    );
  });

  it('begin at the plain network, which a compressed one that removes nothing may be below', () => {
    const cost = realFlopsCost(network);
    const all = Array<number>(4).fill(tokens);
    expect(cost.unit).toBe('real GFLOPs');
    expect(cost.baseline).toBeCloseTo(countGraphFlops(network) / 1e9, 12);
    expect(cost.value({ pruneKept: all, mergeKept: all })).toBeLessThanOrEqual(cost.baseline);
  });

  it('have a price for every block whose tokens something reads', () => {
    const cost = realFlopsCost(network, rules[2]);
    const kept = { pruneKept: [17, 15, 13, 11], mergeKept: [17, 15, 13, 11] };
    const prices = cost.price(kept, 2);
    expect(prices.slice(0, 3).every((price) => price > 0)).toBe(true);
    expect(prices).toHaveLength(4);
  });
});
