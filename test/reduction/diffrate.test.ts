/**
 * One block of DiffRate with fixed kept numbers against plain loops, on random token states in
 * float64.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../src/data/random.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { importance, importanceMetrics } from '../../src/reduction/importance.ts';
import { mergeRules } from '../../src/reduction/merge-rule.ts';
import { diffRate, reductionOrders } from '../../src/reduction/methods/diffrate.ts';
import { sourceOf } from '../../src/reduction/token-state.ts';
import type { TokenState } from '../../src/reduction/token-state.ts';
import { elementAt } from '../graph/float64-array.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { interpret } from '../graph/float64-interpreter.ts';
import { batch, drawnAttention } from './drawn-attention.ts';
import { reducePlainly } from './plain-diffrate.ts';
import type { PlainToken } from './plain-diffrate.ts';

describe('one block of DiffRate', () => {
  it('does to any tokens what plain loops do', () => {
    const drawn = fc.integer({ min: 4, max: 9 }).chain((tokens) =>
      fc.record({
        seed: fc.nat(1e6),
        tokens: fc.constant(tokens),
        pruneKept: fc.integer({ min: 3, max: tokens + 1 }),
        mergeKept: fc.integer({ min: 3, max: tokens + 1 }),
        order: fc.constantFrom(...reductionOrders),
        metric: fc.constantFrom(...importanceMetrics.filter((metric) => metric !== 'random')),
        prefix: fc.integer({ min: 0, max: 2 }),
        merging: fc.constantFrom(...mergeRules),
        sized: fc.boolean(),
      }),
    );
    const width = 4;
    fc.assert(
      fc.property(drawn, ({ seed, tokens, pruneKept, mergeKept, order, metric, prefix, merging, sized }) => {
        const random = new RandomGenerator(seed);
        const { view, feeds, fed, scores } = drawnAttention(random, tokens, width);
        const features = fed('features', [batch, tokens, width], () => random.normal());
        const size = sized ? fed('size', [batch, tokens, 1], () => random.uniform(1, 3)) : undefined;
        const source = fed('source', [batch, tokens, tokens], ([, row, column]) => Number(row === column));
        const of = (symbol: Tensor): Float64Tensor => feeds.get(symbol) as Float64Tensor;
        const layout = { prefix, grid: [1, tokens - prefix] } as const;
        const reducer = diffRate(
          { pruneKept: [pruneKept], mergeKept: [mergeKept] },
          { layout, importanceFrom: 'class-token' },
          { order, metric, merging },
        );
        const state: TokenState = { features, size, travellers: { source: { value: source, merging: 'sum' } } };
        const reduced = reducer.afterAttention?.(0, state, view) ?? state;
        const present = [
          reduced.features,
          sourceOf(reduced) as Tensor,
          ...(reduced.size === undefined ? [] : [reduced.size]),
        ];
        const [outFeatures, outSource, outSize] = interpret(present, feeds);
        for (let image = 0; image < batch; image++) {
          const plain = Array.from({ length: tokens }, (_, token): PlainToken => ({
            features: Array.from({ length: width }, (__, channel) => elementAt(of(features), [image, token, channel])),
            size: size === undefined ? 1 : elementAt(of(size), [image, token, 0]),
            source: new Set([token]),
          }));
          const wanted = reducePlainly(
            plain,
            plain.map((_, token) => scores(metric, image, token)),
            { order, pruneKept, mergeKept, prefix, merging },
          );
          expect(outFeatures?.shape).toEqual([batch, wanted.length, width]);
          wanted.forEach((token, index) => {
            token.features.forEach((value, channel) =>
              expect(elementAt(outFeatures as Float64Tensor, [image, index, channel])).toBeCloseTo(value, 9),
            );
            const size = outSize === undefined ? 1 : elementAt(outSize, [image, index, 0]);
            expect(size).toBeCloseTo(token.size, 9);
            for (let from = 0; from < tokens; from++)
              expect(elementAt(outSource as Float64Tensor, [image, index, from])).toBe(Number(token.source.has(from)));
          });
        }
      }),
      { numRuns: 150 },
    );
  });

  it('ranks at random the same way in every image, with the class token first, by its seed', () => {
    const { view, feeds } = drawnAttention(new RandomGenerator(1), 8, 4);
    const scores = (seed: number, prefix: number): Float64Tensor =>
      interpret([importance('random', view, { prefix }, seed)], feeds)[0] as Float64Tensor;
    const [first, other] = [scores(1, 1), scores(2, 1)];
    expect(first.shape).toEqual([batch, 8, 1]);
    expect(first.data.slice(0, 8)).toEqual(first.data.slice(8));
    expect(first.data.indexOf(Math.max(...first.data))).toBe(0);
    expect(first.data).not.toEqual(other.data);
    expect(first.data.slice(1, 8)).toEqual(scores(1, 0).data.slice(1, 8));
    expect(new Set(first.data).size).toBe(8);
  });
});
