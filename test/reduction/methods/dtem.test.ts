/** DTEM: matching by an embedding, and its soft form against plain loops and finite differences. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float32Tensor } from '../../../src/checkpoints/weights.ts';
import { RandomGenerator } from '../../../src/data/random.ts';
import { gradients } from '../../../src/graph/gradients/index.ts';
import { add, mul, reduceSum, reshape } from '../../../src/graph/operators/index.ts';
import { input } from '../../../src/graph/tensor.ts';
import type { Tensor } from '../../../src/graph/tensor.ts';
import { linear } from '../../../src/nn/linear.ts';
import { parametersFromWeights } from '../../../src/networks/parameters.ts';
import { dtem } from '../../../src/reduction/methods/dtem.ts';
import { mergeSoftly, softTopK } from '../../../src/reduction/methods/dtem-soft.ts';
import { tome } from '../../../src/reduction/methods/tome.ts';
import { tokenCount } from '../../../src/reduction/token-layout.ts';
import { elementAt, fromPositions } from '../../graph/float64-array.ts';
import type { Float64Tensor } from '../../graph/float64-array.ts';
import { interpret } from '../../graph/float64-interpreter.ts';
import { batch, drawnAttention } from '../drawn-attention.ts';

const width = 4;
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const at = <T>(values: readonly T[], index: number): T => values[index] as T;

describe('DTEM', () => {
  it('merges as ToMe would if its keys were the embedding', () => {
    const drawn = fc.record({
      seed: fc.nat(1e6),
      prefix: fc.integer({ min: 1, max: 3 }),
      patches: fc.integer({ min: 2, max: 12 }),
      pairs: fc.integer({ min: 0, max: 6 }),
    });
    fc.assert(
      fc.property(drawn, ({ seed, prefix, patches, pairs }) => {
        const layout = { prefix, grid: [1, patches] } as const;
        const tokens = tokenCount(layout);
        const random = new RandomGenerator(seed);
        const { view, feeds, fed } = drawnAttention(random, tokens, width);
        const features = fed('features', [batch, tokens, width], () => random.normal());
        const size = fed('size', [batch, tokens, 1], () => random.uniform(1, 3));
        const [weightName, biasName] = ['reduction.dtem.0.weight', 'reduction.dtem.0.bias'];
        const weights = new Map([
          [
            weightName,
            float32Tensor(
              weightName,
              [3, width],
              Float32Array.from({ length: 12 }, () => random.normal()),
            ),
          ],
          [
            biasName,
            float32Tensor(
              biasName,
              [3],
              Float32Array.from({ length: 3 }, () => random.normal()),
            ),
          ],
        ]);
        const parameters = parametersFromWeights(weights, 'random weights');
        const own = dtem({ removed: [pairs], embedding: 3, width }, layout).withParameters?.(parameters);
        const embedded = linear(view.normalized, {
          weight: parameters.tensor(weightName, [3, width]),
          bias: parameters.tensor(biasName, [3]),
        });
        const keys = reshape(embedded, [batch, 1, tokens, 3]);
        const state = { features, size };
        const found = own?.afterAttention?.(0, state, view) ?? state;
        const wanted = tome([pairs], layout).afterAttention?.(0, state, { ...view, heads: 1, keys }) ?? state;
        const [a, b, c, d] = interpret([found.features, wanted.features, found.size, wanted.size] as Tensor[], feeds);
        expect(a?.shape).toEqual(b?.shape);
        a?.data.forEach((value, index) => expect(value).toBeCloseTo(b?.data[index] ?? NaN, 6));
        c?.data.forEach((value, index) => expect(value).toBeCloseTo(d?.data[index] ?? NaN, 6));
      }),
      { numRuns: 60 },
    );
  });

  it('refuses a network that has no embeddings', () => {
    const reducer = dtem({ removed: [1], embedding: 3, width }, { prefix: 1, grid: [2, 2] });
    expect(() => reducer.withParameters?.(parametersFromWeights(new Map(), 'nothing'))).toThrow(
      /dtem needs embeddings for these blocks, which the network does not have: train it/,
    );
  });
});

/** Relaxed top-k over the three best columns of each row, as the authors' code goes about it. */
function selectPlainly(scores: readonly (readonly number[])[], count: number): number[][] {
  const columns = scores.map((row) =>
    range(row.length)
      .sort((a, b) => at(row, b) - at(row, a))
      .slice(0, 3),
  );
  const open = scores.map((row, index) => at(columns, index).map((column) => at(row, column) / 0.1));
  const selected = open.map((row) => row.map(() => 0));
  for (let turn = 0; turn < count; turn++) {
    const powers = open.map((row) => row.map((value) => Math.exp((value - Math.max(...open.flat())) / 0.1)));
    const total = sum(powers.flat());
    powers.forEach((row, index) => {
      const given = Math.max(1 - sum(row) / total, 2 ** -23);
      row.forEach((power, column) => {
        (selected[index] as number[])[column] = at(at(selected, index), column) + power / total;
        (open[index] as number[])[column] = at(at(open, index), column) + Math.log(given);
      });
    });
  }
  return scores.map((row, index) => {
    const shares = row.map(() => 0);
    const excess = Math.max(1, sum(at(selected, index)));
    at(columns, index).forEach((column, rank) => (shares[column] = at(at(selected, index), rank) / excess));
    return shares;
  });
}

describe('DTEM’s soft form', () => {
  const cases = fc.record({
    seed: fc.nat(1e6),
    prefix: fc.integer({ min: 0, max: 2 }),
    patches: fc.integer({ min: 2, max: 9 }),
    aside: fc.integer({ min: 0, max: 2 }),
    wanted: fc.integer({ min: 1, max: 4 }),
  });

  it('selects and merges as plain loops do', () => {
    fc.assert(
      fc.property(cases, ({ seed, prefix, patches, aside, wanted }) => {
        const [partaking, all] = [prefix + patches, prefix + patches + aside];
        const pairs = Math.min(wanted, Math.floor(patches / 2));
        const random = new RandomGenerator(seed);
        const { feeds, fed } = drawnAttention(random, all, width);
        const features = fed('features', [batch, all, width], () => random.normal());
        const size = fed('size', [batch, all, 1], () => random.uniform(0.1, 3));
        const metric = fed('metric', [batch, all, width], () => random.normal() / 4);
        const state = mergeSoftly({ features, size }, metric, partaking, pairs, { prefix, grid: [1, patches] });
        const [x, s] = interpret([state.features, state.size as Tensor], feeds) as [Float64Tensor, Float64Tensor];
        const of = (symbol: Tensor, position: number[]): number =>
          elementAt(feeds.get(symbol) as Float64Tensor, position);
        for (const image of range(batch)) {
          const tokens = range(all).map((token) => ({
            x: range(width).map((channel) => of(features, [image, token, channel])),
            size: of(size, [image, token, 0]),
            metric: range(width).map((channel) => of(metric, [image, token, channel])),
          }));
          const middle = tokens.slice(prefix, partaking);
          const [a, b] = [0, 1].map((rest) => middle.filter((_, index) => index % 2 === rest)) as [
            typeof middle,
            typeof middle,
          ];
          const shares = selectPlainly(
            a.map((one) => b.map((other) => sum(one.metric.map((value, index) => value * at(other.metric, index))))),
            pairs,
          );
          const left = [
            ...a.map((token, index) => ({ ...token, size: token.size * Math.max(0, 1 - sum(at(shares, index))) })),
            ...b.map((token, column) => {
              const coming = a.map((from, index) => from.size * at(at(shares, index), column));
              const total = token.size + sum(coming);
              const mean = (channel: number): number =>
                (token.size * at(token.x, channel) + sum(coming.map((w, index) => w * at(at(a, index).x, channel)))) /
                total;
              return { ...token, size: total, x: range(width).map(mean) };
            }),
          ].sort((one, other) => other.size - one.size);
          const expected = [...tokens.slice(0, prefix), ...left, ...tokens.slice(partaking)];
          expected.forEach((token, index) => {
            expect(elementAt(s, [image, index, 0])).toBeCloseTo(token.size, 6);
            // What has given itself away has no place in the order of sizes.
            if (token.size > 1e-9)
              token.x.forEach((value, channel) => expect(elementAt(x, [image, index, channel])).toBeCloseTo(value, 6));
          });
        }
      }),
      { numRuns: 80 },
    );
  });

  it('has the gradient of finite differences, for scores and for sizes', () => {
    const random = new RandomGenerator(11);
    const tokens = 9;
    const layout = { prefix: 1, grid: [2, 4] } as const;
    const shapes = { features: [1, tokens, width], size: [1, tokens, 1], metric: [1, tokens, width] } as const;
    const symbols = Object.entries(shapes).map(([name, shape]) => input(name, 'float32', shape));
    const [features, size, metric] = symbols as [Tensor, Tensor, Tensor];
    const values = [1, 0, 0.1].map((scale, index) =>
      fromPositions(Object.values(shapes)[index] as readonly number[], () =>
        scale === 0 ? random.uniform(0.5, 2) : scale * random.normal(),
      ),
    );
    // So soft that no token gives more than it has: where one does, the scale has no gradient by
    // intent.
    const after = mergeSoftly({ features, size }, metric, 8, 2, layout);
    const weights = (length: number): Tensor => input(`weights${length}`, 'float32', [1, tokens, length]);
    const [ofFeatures, ofSizes] = [weights(width), weights(1)];
    const drawn = [ofFeatures, ofSizes].map((symbol) => fromPositions(symbol.shape as number[], () => random.normal()));
    const loss = add(
      reduceSum(mul(after.features, ofFeatures), [0, 1, 2]),
      reduceSum(mul(after.size as Tensor, ofSizes), [0, 1, 2]),
    );
    const feedsOf = (own: readonly Float64Tensor[]): Map<Tensor, Float64Tensor> =>
      new Map(
        [...symbols, ofFeatures, ofSizes].map((symbol, index) => [symbol, [...own, ...drawn][index] as Float64Tensor]),
      );
    const found = interpret(
      gradients(loss, symbols).map((gradient) => gradient as Tensor),
      feedsOf(values),
    );
    const step = 1e-6;
    values.forEach((value, index) => {
      value.data.forEach((_, element) => {
        const lossAt = (difference: number): number => {
          const data = Float64Array.from(value.data);
          data[element] = (data[element] ?? 0) + difference;
          const changed = values.map((own, other) => (other === index ? { ...own, data } : own));
          return interpret([loss], feedsOf(changed))[0]?.data[0] ?? NaN;
        };
        const slope = (lossAt(step) - lossAt(-step)) / (2 * step);
        expect(Math.abs((found[index]?.data[element] ?? NaN) - slope)).toBeLessThan(
          1e-5 * Math.max(1, Math.abs(slope)),
        );
      });
    });
  });

  it('selects about as many as it is asked to', () => {
    const scores = input('scores', 'float32', [1, 6, 5]);
    const random = new RandomGenerator(2);
    const feeds = new Map([[scores, fromPositions([1, 6, 5], () => random.uniform(-1, 1))]]);
    const [shares] = interpret([softTopK(scores, 3)], feeds);
    const total = sum([...(shares?.data ?? [])]);
    expect(total).toBeGreaterThan(2.5);
    expect(total).toBeLessThanOrEqual(3);
  });
});
