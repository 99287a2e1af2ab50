/**
 * Ranking and sorting tokens with 0, 1 and 3 prefix tokens, which stay in front in their order,
 * against plain lists.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../src/data/random.ts';
import { gradients } from '../../src/graph/gradients/index.ts';
import { mul, reduceSum } from '../../src/graph/operators/index.ts';
import { input } from '../../src/graph/tensor.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { importance, importanceMetrics, metricFor } from '../../src/reduction/importance.ts';
import { sortTokens } from '../../src/reduction/sort.ts';
import { perToken, prefixBonus, smallestKept, tokenCount } from '../../src/reduction/token-layout.ts';
import type { AttendedView, BlockView } from '../../src/reduction/token-reducer.ts';
import type { TokenState } from '../../src/reduction/token-state.ts';
import { elementAt, fromPositions } from '../graph/float64-array.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { interpret } from '../graph/float64-interpreter.ts';
import { runGraph } from '../graph/run-graph.ts';
import { batch, drawnAttention } from './drawn-attention.ts';

const width = 4;
const prefixes = [0, 1, 3];
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/**
 * Positions in the order in which sorting is to leave them: the prefix, then the others by falling
 * score.
 */
function orderPlainly(scores: readonly number[], prefix: number): number[] {
  const others = range(scores.length).slice(prefix);
  return [...range(prefix), ...others.sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0))];
}

const ranked = importanceMetrics.filter((metric) => metric !== 'random');

const drawn = fc.record({
  seed: fc.nat(1e6),
  prefix: fc.constantFrom(...prefixes),
  patches: fc.integer({ min: 2, max: 9 }),
  metric: fc.constantFrom(...ranked),
});

describe('importance', () => {
  it('ranks prefix tokens above all, in their order, and the others by the metric', () => {
    fc.assert(
      fc.property(drawn, ({ seed, prefix, patches, metric }) => {
        const tokens = prefix + patches;
        const { view, feeds, scores } = drawnAttention(new RandomGenerator(seed), tokens, width);
        const [found] = interpret([importance(metric, view, { prefix }, 0)], feeds) as [Float64Tensor];
        expect(found.shape).toEqual([batch, tokens, 1]);
        for (const image of range(batch)) {
          const own = range(tokens).map((token) => elementAt(found, [image, token, 0]));
          const plain = range(tokens).map((token) => scores(metric, image, token));
          own.slice(prefix).forEach((value, index) => expect(value).toBeCloseTo(plain[prefix + index] as number, 9));
          const descending = range(tokens).sort((a, b) => (own[b] ?? 0) - (own[a] ?? 0));
          expect(descending).toEqual(orderPlainly(plain, prefix));
        }
      }),
      { numRuns: 100 },
    );
  });

  it.each(prefixes)('ranks the same where the number of tokens is a name: %i prefix tokens', async (prefix) => {
    const tokens = prefix + 6;
    const random = new RandomGenerator(5);
    const attention = fromPositions([batch, 2, tokens], () => random.uniform());
    const received = fromPositions([batch, tokens, 1], () => random.uniform());
    const viewOf = (count: number | 'tokens'): { view: AttendedView; inputs: Tensor[] } => {
      const row = input('row', 'float32', [batch, 2, count]);
      const column = input('column', 'float32', [batch, count, 1]);
      const keys = input('keys', 'float32', [batch, 2, count, 2]);
      const view: AttendedView = {
        heads: 2,
        keys,
        values: keys,
        normalized: column,
        classAttention: () => row,
        attentionReceived: () => column,
        probabilities: () => keys,
      };
      return { view, inputs: [row, column] };
    };
    const feed = ({ shape, data }: Float64Tensor) =>
      ({ type: 'float32', shape, data: Float32Array.from(data) }) as const;
    const feeds = { row: feed(attention), column: feed(received) };
    for (const metric of ['class-attention', 'image-attention'] as const) {
      const [fixed, named] = [viewOf(tokens), viewOf('tokens')];
      const [one] = await runGraph([importance(metric, fixed.view, { prefix }, 0)], fixed.inputs, feeds);
      const [other] = await runGraph([importance(metric, named.view, { prefix }, 0)], named.inputs, feeds);
      expect(other).toEqual(one);
    }
  });

  it('of what tokens receive is not known before they attend', () => {
    const { view } = drawnAttention(new RandomGenerator(1), 5, width);
    const { heads, keys, values, normalized, classAttention } = view;
    const before: BlockView = { heads, keys, values, normalized, classAttention };
    expect(() => importance('image-attention', before, { prefix: 0 }, 0)).toThrow(/is not known before they attend/);
    expect(importance('class-attention', before, { prefix: 1 }, 0).shape).toEqual([batch, 5, 1]);
  });

  it('is by what the network says', () => {
    expect(metricFor('class-token')).toBe('class-attention');
    expect(metricFor('attention-received')).toBe('image-attention');
  });
});

describe('sortTokens', () => {
  it('puts everything that is known of the tokens in order, and leaves out what is behind', () => {
    fc.assert(
      fc.property(drawn, fc.double({ min: 0, max: 1, noNaN: true }), ({ seed, prefix, patches }, share) => {
        const tokens = prefix + patches;
        const count = Math.max(prefix + 1, Math.round(share * tokens));
        const random = new RandomGenerator(seed);
        const { feeds, fed } = drawnAttention(random, tokens, width);
        const features = fed('features', [batch, tokens, width], () => random.normal());
        const size = fed('size', [batch, tokens, 1], () => random.uniform(1, 3));
        const mask = fed('mask', [batch, tokens, 1], () => random.integer(2));
        const heads = fed('heads', [batch, tokens, 2, 3], () => random.normal());
        const plain = range(batch * tokens).map(() => random.uniform());
        const score = fed('score', [batch, tokens, 1], ([image = 0, token = 0]) => {
          return (plain[image * tokens + token] as number) + prefixBonus(prefix, token);
        });
        const state: TokenState = {
          features,
          size,
          mask,
          travellers: { heads: { value: heads, merging: 'destination' } },
        };
        const sorted = sortTokens(state, score, count);
        const before = [features, size, mask, heads].map((symbol) => feeds.get(symbol) as Float64Tensor);
        const after = interpret(
          [
            sorted.features,
            sorted.size as Tensor,
            sorted.mask as Tensor,
            sorted.travellers?.['heads']?.value as Tensor,
          ],
          feeds,
        );
        for (const image of range(batch)) {
          const order = orderPlainly(plain.slice(image * tokens, (image + 1) * tokens), prefix);
          before.forEach((value, index) => {
            const found = after[index] as Float64Tensor;
            expect(found.shape).toEqual([batch, count, ...value.shape.slice(2)]);
            const size = value.data.length / (batch * tokens);
            const rowOf = (data: Float64Array, row: number): number[] =>
              Array.from(data.subarray(row * size, (row + 1) * size));
            for (const place of range(count))
              expect(rowOf(found.data, image * count + place)).toEqual(
                rowOf(value.data, image * tokens + (order[place] as number)),
              );
          });
        }
      }),
      { numRuns: 80 },
    );
  });

  it('sends every gradient back to where its token came from, and none to those that are gone', () => {
    const random = new RandomGenerator(2);
    const [tokens, count] = [6, 4];
    const { feeds, fed } = drawnAttention(random, tokens, width);
    const features = fed('features', [batch, tokens, width], () => random.normal());
    const score = fed('score', [batch, tokens, 1], () => random.uniform());
    const price = fed('price', [batch, count, width], () => random.normal());
    const sorted = sortTokens({ features }, score, count);
    const [gradient] = gradients(reduceSum(mul(sorted.features, price), [0, 1, 2]), [features]);
    const [found] = interpret([gradient as Tensor], feeds) as [Float64Tensor];
    for (const image of range(batch)) {
      const scores = range(tokens).map((token) => elementAt(feeds.get(score) as Float64Tensor, [image, token, 0]));
      const order = orderPlainly(scores, 0);
      for (const token of range(tokens))
        for (const channel of range(width)) {
          const place = order.indexOf(token);
          const wanted = place < count ? elementAt(feeds.get(price) as Float64Tensor, [image, place, channel]) : 0;
          expect(elementAt(found, [image, token, channel])).toBe(wanted);
        }
    }
  });
});

describe('a layout', () => {
  it.each(prefixes)('with %i prefix tokens counts them, and keeps one patch beside them', (prefix) => {
    const layout = { prefix, grid: [3, 5] } as const;
    expect(tokenCount(layout)).toBe(prefix + 15);
    expect(smallestKept(layout)).toBe(prefix + 1);
    const column = perToken(layout, 6, { prefix: (position) => -1 - position, grid: (position) => position });
    const [values] = interpret([column], new Map()) as [Float64Tensor];
    expect([...values.data]).toEqual(range(6).map((position) => (position < prefix ? -1 - position : position)));
  });

  it('has bonuses that half precision tells apart, above any score', () => {
    const bonuses = range(9).map((position) => prefixBonus(8, position));
    expect(bonuses[8]).toBe(0);
    for (const position of range(7)) {
      const [own, next] = [bonuses[position] as number, bonuses[position + 1] as number];
      // Half precision has steps of 8 here; scores are attention, at most 1 by head.
      expect(own - next).toBeGreaterThanOrEqual(16);
      expect(own).toBeLessThan(65_504);
    }
    expect(bonuses[7]).toBeGreaterThan(1000);
  });
});
