/** What a block of the step graph is fed, by properties. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockMasks, maskFeeds, sourceRange, splitMaskGradient } from '../../src/execution/masks.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import { smallestKept, tokenCount } from '../../src/reduction/token-layout.ts';
import type { TokenLayout } from '../../src/reduction/token-layout.ts';

/** Any layout, and any numbers that leave its prefix tokens and one destination. */
const blocks = fc
  .record({
    prefix: fc.integer({ min: 0, max: 3 }),
    rows: fc.integer({ min: 2, max: 6 }),
    columns: fc.integer({ min: 1, max: 7 }),
  })
  .map(({ prefix, rows, columns }): TokenLayout => ({ prefix, grid: [rows, columns] }))
  .chain((layout) => {
    const tokens = tokenCount(layout);
    const kept = fc.integer({ min: smallestKept(layout), max: tokens });
    return fc.record({
      layout: fc.constant(layout),
      tokens: fc.constant(tokens),
      live: kept,
      pruneKept: kept,
      mergeKept: kept,
    });
  });

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);

describe('masks of a block', () => {
  it('keep min(live, P, K) of the live tokens', () => {
    fc.assert(
      fc.property(blocks, ({ tokens, live, pruneKept, mergeKept }) => {
        const masks = blockMasks(tokens, live, pruneKept, mergeKept);
        expect(masks.liveAfter).toBe(Math.min(live, pruneKept, mergeKept));
        const product = Array.from({ length: tokens }, (_, at) => (masks.prune?.[at] ?? 1) * (masks.merge?.[at] ?? 1));
        expect(sum(product.slice(0, live))).toBe(masks.liveAfter);
        expect(product.slice(0, masks.liveAfter).every((value) => value === 1)).toBe(true);
        // Positions that were gone before are the business of earlier masks.
        expect(product.slice(live).every((value) => value === 1)).toBe(true);
        expect(masks.prune === undefined).toBe(pruneKept >= live);
        expect(masks.merge === undefined).toBe(mergeKept >= Math.min(live, pruneKept));
      }),
    );
  });

  it('feed sources and destinations that are disjoint, and never nothing', () => {
    fc.assert(
      fc.property(blocks, ({ layout, tokens, live, pruneKept, mergeKept }) => {
        const masks = blockMasks(tokens, live, pruneKept, mergeKept);
        const { start, end } = sourceRange(tokens, masks);
        expect(start).toBeLessThan(end);
        expect(end).toBeLessThanOrEqual(tokens);
        const feeds = maskFeeds(3, layout, masks);
        const values = (name: string): number[] => Array.from(feeds[`blocks.3.${name}`]?.data ?? [], Number);
        expect(values('source_start')).toEqual([start]);
        expect(values('source_end')).toEqual([end]);
        const destinations = values('destinations').flatMap((value, position) => (value === 0 ? [position] : []));
        // Every patch that stays is one, no prefix token is.
        expect(destinations).toEqual(
          Array.from({ length: start - layout.prefix }, (_, index) => layout.prefix + index),
        );
        expect(destinations.length).toBeGreaterThan(0);
        const weight = values('source_weight');
        expect(weight).toHaveLength(end - start);
        const merged = Math.min(live, pruneKept) - masks.liveAfter;
        expect(sum(weight)).toBe(merged);
        // Of the tokens that go the more important ones are merged.
        expect(weight.slice(0, merged).every((value) => value === 1)).toBe(true);
        expect(sum(values('mask'))).toBe(tokens - live + masks.liveAfter);
        expect(feeds['blocks.3.sure']).toBeUndefined();
        const chosen = maskFeeds(3, layout, masks, dissimilarity);
        const [pruned, sure] = ['prune_kept', 'sure'].map((name) => Number(chosen[`blocks.3.${name}`]?.data[0]));
        expect(pruned).toBe(Math.min(live, pruneKept));
        // What is sure to stay stays, and one patch is sure at least.
        expect(sure).toBeGreaterThan(layout.prefix);
        expect(sure).toBeLessThanOrEqual(masks.liveAfter);
      }),
    );
  });

  it('split the gradient of their product as the product rule does', () => {
    fc.assert(
      fc.property(blocks, ({ tokens, live, pruneKept, mergeKept }) => {
        const masks = blockMasks(tokens, live, pruneKept, mergeKept);
        const gradient = Array.from({ length: tokens }, (_, position) => position + 1);
        const split = splitMaskGradient(masks, gradient);
        expect(split.prune === undefined).toBe(masks.prune === undefined);
        expect(split.merge === undefined).toBe(masks.merge === undefined);
        gradient.forEach((value, position) => {
          if (split.prune) expect(split.prune[position]).toBe(value * (masks.merge?.[position] ?? 1));
          if (split.merge) expect(split.merge[position]).toBe(value * (masks.prune?.[position] ?? 1));
        });
      }),
    );
  });
});
