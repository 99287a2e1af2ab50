/**
 * Evo-ViT over several blocks, two stages and what lies between, against plain lists, in float64.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../../src/data/random.ts';
import type { Tensor } from '../../../src/graph/tensor.ts';
import { evoVit } from '../../../src/reduction/methods/evovit.ts';
import type { TokenState } from '../../../src/reduction/token-state.ts';
import { elementAt } from '../../graph/float64-array.ts';
import type { Float64Tensor } from '../../graph/float64-array.ts';
import { interpret } from '../../graph/float64-interpreter.ts';
import { batch, drawnAttention } from '../drawn-attention.ts';

const width = 4;
const depth = 7;
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** A patch, and how much the class token has attended to it so far. */
interface PlainPatch {
  readonly id: number;
  readonly attention: number;
}

describe('Evo-ViT', () => {
  it('lets the attended patches through each stage and brings the others back', () => {
    const drawn = fc.record({
      seed: fc.nat(1e6),
      prefix: fc.integer({ min: 1, max: 3 }),
      patches: fc.integer({ min: 2, max: 10 }),
      keep: fc.constantFrom(0.1, 0.5, 0.75),
      blocks: fc.constantFrom<readonly number[]>([1, 3], [2, 4], [3], [1, 2, 5]),
    });
    fc.assert(
      fc.property(drawn, ({ seed, prefix, patches, keep, blocks }) => {
        const random = new RandomGenerator(seed);
        const reducer = evoVit({ keep, blocks }, { prefix, grid: [1, patches] });
        const kept = Math.max(1, Math.floor(patches * keep));
        const feeds = new Map<Tensor, Float64Tensor>();
        const first = drawnAttention(random, prefix + patches, width);
        const features = first.fed('features', [batch, prefix + patches, width], () => random.normal());
        first.feeds.forEach((value, key) => feeds.set(key, value));
        const rows = feeds.get(features) as Float64Tensor;
        let state: TokenState = { features };
        let plain = range(batch).map((): { through: PlainPatch[]; aside: PlainPatch[] } => ({
          through: range(patches).map((id) => ({ id, attention: 0 })),
          aside: [],
        }));
        for (const block of range(depth)) {
          state = reducer.beforeBlock?.(block, state) ?? state;
          if (blocks.includes(block)) {
            plain = plain.map(({ through, aside }) => {
              const all = [...through, ...aside];
              // Equal ones keep their order, as TopK has it.
              const sorted = [...all].sort((a, b) => b.attention - a.attention);
              return { through: sorted.slice(0, kept), aside: sorted.slice(kept) };
            });
          }
          const count = plain[0]?.through.length ?? 0;
          const { view, feeds: own } = drawnAttention(random, prefix + count, width);
          own.forEach((value, key) => feeds.set(key, value));
          const row = own.get(view.classAttention()) as Float64Tensor;
          plain = plain.map(({ through, aside }, image) => ({
            aside,
            through: through.map(({ id, attention }, index) => {
              const fresh = range(view.heads).reduce(
                (sum, head) => sum + elementAt(row, [image, head, prefix + index]),
                0,
              );
              return { id, attention: block < (blocks[0] ?? 0) ? fresh : (attention + fresh) / 2 };
            }),
          }));
          state = reducer.afterAttention?.(block, state, view) ?? state;
          const [found] = interpret([state.features], feeds) as [Float64Tensor];
          expect(found.shape).toEqual([batch, prefix + count, width]);
          plain.forEach(({ through }, image) =>
            [...range(prefix), ...through.map(({ id }) => prefix + id)].forEach((token, index) =>
              range(width).forEach((channel) =>
                expect(elementAt(found, [image, index, channel])).toBe(elementAt(rows, [image, token, channel])),
              ),
            ),
          );
        }
      }),
      { numRuns: 60 },
    );
  });
});
