/**
 * DynamicViT's stage as it runs after training, and the masked one of training, against plain
 * loops, in float64.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Weights } from '../../../src/checkpoints/weights.ts';
import { RandomGenerator } from '../../../src/data/random.ts';
import { DiffrateError } from '../../../src/errors.ts';
import { input } from '../../../src/graph/tensor.ts';
import type { Tensor } from '../../../src/graph/tensor.ts';
import { parametersFromWeights } from '../../../src/networks/parameters.ts';
import { dynamicVit, dynamicVitTraining } from '../../../src/reduction/methods/dynamicvit.ts';
import { keptPatches } from '../../../src/reduction/methods/keep-decisions.ts';
import type { TokenReducer } from '../../../src/reduction/token-reducer.ts';
import type { TokenState } from '../../../src/reduction/token-state.ts';
import { elementAt, fromPositions } from '../../graph/float64-array.ts';
import type { Float64Tensor } from '../../graph/float64-array.ts';
import { interpret } from '../../graph/float64-interpreter.ts';
import { withLearned } from './learned-weights.ts';
import { predictPlainly } from './plain-layers.ts';

const batch = 2;
const width = 6;
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

const drawn = fc.record({
  seed: fc.nat(1e6),
  prefix: fc.integer({ min: 1, max: 3 }),
  patches: fc.integer({ min: 2, max: 12 }),
  keep: fc.double({ min: 0.05, max: 0.95, noNaN: true }),
});

function stateOf(seed: number, tokens: number): { state: TokenState; feeds: Map<Tensor, Float64Tensor> } {
  const random = new RandomGenerator(seed);
  const features = input('features', 'float32', ['batch', tokens, width]);
  const feeds = new Map([[features, fromPositions([batch, tokens, width], () => random.normal())]]);
  return { state: { features }, feeds };
}

const rowsOf = (features: Float64Tensor, image: number, count: number): number[][] =>
  range(count).map((token) => range(width).map((channel) => elementAt(features, [image, token, channel])));

const splitAt = <T>(values: readonly T[], index: number): [T[], T[]] => [values.slice(0, index), values.slice(index)];

function bound(reducer: TokenReducer, weights: Weights): TokenReducer {
  return reducer.withParameters?.(parametersFromWeights(weights, 'random weights')) ?? reducer;
}

describe('DynamicViT', () => {
  it('keeps prefix tokens, then the best patches in descending order', () => {
    fc.assert(
      fc.property(drawn, ({ seed, prefix, patches, keep }) => {
        const options = { keep, blocks: [1], width };
        const layout = { prefix, grid: [patches, 1] } as const;
        const learned = dynamicVitTraining(options, layout);
        const weights = withLearned(
          new Map(),
          { reducer: dynamicVit(options, layout), tokensPerBlock: [], learned },
          seed,
        );
        const { state, feeds } = stateOf(seed, prefix + patches);
        const reducer = bound(dynamicVit(options, layout), weights);
        expect(reducer.beforeBlock?.(0, state)).toBe(state);
        const reduced = reducer.beforeBlock?.(1, state) ?? state;
        const [kept = 0] = keptPatches(patches, [keep]);
        expect(kept).toBe(Math.max(1, Math.floor(patches * keep)));
        const [found] = interpret([reduced.features], feeds) as [Float64Tensor];
        expect(found.shape).toEqual([batch, prefix + kept, width]);
        const before = feeds.get(state.features) as Float64Tensor;
        for (const image of range(batch)) {
          const [first, own] = splitAt(rowsOf(before, image, prefix + patches), prefix);
          const scores = predictPlainly(own, Array<number>(patches).fill(1), weights, 'reduction.dynamicvit.1');
          const order = range(patches).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
          const wanted = order.slice(0, kept).map((patch) => own[patch]);
          expect(rowsOf(found, image, prefix + kept)).toEqual([...first, ...wanted]);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('while it is trained drops by scores and noise, for good, and means are of what is left', () => {
    fc.assert(
      fc.property(drawn, ({ seed, prefix, patches, keep }) => {
        const options = { keep, blocks: [1, 2], width };
        const layout = { prefix, grid: [patches, 1] } as const;
        const learned = dynamicVitTraining(options, layout);
        const own = withLearned(new Map(), { reducer: dynamicVit(options, layout), tokensPerBlock: [], learned }, seed);
        // Both stages have one predictor, so that the second differs by its mask alone.
        const weights = new Map(
          [...own].map(([name, tensor]) => [name, own.get(name.replace('.2.', '.1.')) ?? tensor]),
        );
        const { state, feeds } = stateOf(seed, prefix + patches);
        const form = learned.training();
        const random = new RandomGenerator(seed + 1);
        for (const noise of form.noise)
          feeds.set(
            noise,
            fromPositions([batch, patches, 1], () => random.normal()),
          );
        const reducer = bound(form.reducer, weights);
        const first = reducer.beforeBlock?.(1, state) ?? state;
        const second = reducer.beforeBlock?.(2, first) ?? first;
        const masks = interpret([first.mask as Tensor, second.mask as Tensor], feeds);
        const before = feeds.get(state.features) as Float64Tensor;
        for (const image of range(batch)) {
          const [, tokens] = splitAt(rowsOf(before, image, prefix + patches), prefix);
          let there = Array<number>(patches).fill(1);
          masks.forEach((mask, stage) => {
            const noise = feeds.get(form.noise[stage] as Tensor) as Float64Tensor;
            if (there.every((value) => value === 0)) return;
            const scores = predictPlainly(tokens, there, weights, 'reduction.dynamicvit.1');
            there = there.map((value, patch) =>
              (scores[patch] ?? 0) + elementAt(noise, [image, patch, 0]) > 0 ? value : 0,
            );
            expect(range(prefix + patches).map((token) => Math.round(elementAt(mask, [image, token, 0])))).toEqual([
              ...Array<number>(prefix).fill(1),
              ...there,
            ]);
          });
        }
      }),
      { numRuns: 60 },
    );
  });

  it('says how to get predictors where a network has none', () => {
    const options = { keep: 0.5, blocks: [1], width };
    const layout = { prefix: 1, grid: [2, 2] } as const;
    expect(() => bound(dynamicVit(options, layout), new Map())).toThrow(DiffrateError);
    expect(() => bound(dynamicVit(options, layout), new Map())).toThrow(
      /^dynamicvit needs predictors .* does not have: train it for this network first/,
    );
  });
});
