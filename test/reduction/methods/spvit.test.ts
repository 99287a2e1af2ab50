/**
 * SPViT's stages as they run after training, and the masked ones of training, against plain lists,
 * in float64.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Weights } from '../../../src/checkpoints/weights.ts';
import { RandomGenerator } from '../../../src/data/random.ts';
import { input } from '../../../src/graph/tensor.ts';
import type { Tensor } from '../../../src/graph/tensor.ts';
import { parametersFromWeights } from '../../../src/networks/parameters.ts';
import { spvit, spvitTraining } from '../../../src/reduction/methods/spvit.ts';
import type { TokenReducer } from '../../../src/reduction/token-reducer.ts';
import { sourceOf } from '../../../src/reduction/token-state.ts';
import type { TokenState } from '../../../src/reduction/token-state.ts';
import { elementAt, fromPositions } from '../../graph/float64-array.ts';
import type { Float64Tensor } from '../../graph/float64-array.ts';
import { interpret } from '../../graph/float64-interpreter.ts';
import { withLearned } from './learned-weights.ts';
import { geluPlainly, layerPlainly, predictPlainly } from './plain-layers.ts';

const batch = 2;
const heads = 2;
const width = 8;
const perHead = width / heads;
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const sigmoidPlainly = (x: number): number => 1 / (1 + Math.exp(-x));

interface PlainToken {
  readonly features: readonly number[];
  readonly source: ReadonlySet<number>;
}

/** Score and probability to stay of the tokens behind the prefix. */
function selectPlainly(
  tokens: readonly (readonly number[])[],
  there: readonly number[],
  weights: Weights,
  name: string,
): { score: number; probability: number }[] {
  const channels = (token: readonly number[], head: number): number[] =>
    token.slice(head * perHead, (head + 1) * perHead);
  const odds = range(heads).map((head) =>
    predictPlainly(
      tokens.map((token) => channels(token, head)),
      there,
      weights,
      name,
    ),
  );
  return tokens.map((token, index) => {
    const means = range(heads).map((head) => channels(token, head).reduce((a, b) => a + b, 0) / perHead);
    const squeezed = layerPlainly(means, weights, `${name}.squeeze`).map(geluPlainly);
    const trust = layerPlainly(squeezed, weights, `${name}.excite`).map(sigmoidPlainly);
    const total = trust.reduce((a, b) => a + b, 0);
    const averaged = (value: (odds: number) => number): number =>
      trust.reduce((sum, weight, head) => sum + weight * value(odds[head]?.[index] ?? 0), 0) / total;
    return { score: averaged((value) => value), probability: averaged(sigmoidPlainly) };
  });
}

/** A weighted mean; nothing where there are no weights. */
function packPlainly(tokens: readonly PlainToken[], weights: readonly number[]): PlainToken {
  const total = weights.reduce((a, b) => a + b, 0);
  return {
    features: range(width).map(
      (channel) =>
        tokens.reduce((sum, { features }, index) => sum + (features[channel] ?? 0) * (weights[index] ?? 0), 0) / total,
    ),
    source: new Set(tokens.flatMap(({ source }) => [...source])),
  };
}

const drawn = fc.record({
  seed: fc.nat(1e6),
  prefix: fc.integer({ min: 1, max: 3 }),
  patches: fc.integer({ min: 4, max: 10 }),
});

const stages = [
  { block: 1, share: 0.7 },
  { block: 2, share: 0.3 },
];

function bound(reducer: TokenReducer, weights: Weights): TokenReducer {
  return reducer.withParameters?.(parametersFromWeights(weights, 'random weights')) ?? reducer;
}

function drawnCase(seed: number, prefix: number, patches: number) {
  const options = { stages, width, heads };
  const layout = { prefix, grid: [patches, 1] } as const;
  const count = prefix + patches;
  const learned = spvitTraining(options, layout);
  const weights = withLearned(new Map(), { reducer: spvit(options, layout), tokensPerBlock: [], learned }, seed);
  const random = new RandomGenerator(seed);
  const features = input('features', 'float32', ['batch', count, width]);
  const source = input('source', 'float32', ['batch', count, count]);
  const feeds = new Map([
    [features, fromPositions([batch, count, width], () => random.normal())],
    [source, fromPositions([batch, count, count], ([, row, column]) => Number(row === column))],
  ]);
  const tokens = (image: number): PlainToken[] =>
    range(count).map((token) => ({
      features: range(width).map((channel) => elementAt(feeds.get(features) as Float64Tensor, [image, token, channel])),
      source: new Set([token]),
    }));
  const travellers = { source: { value: source, merging: 'sum' } } as const;
  return { options, layout, learned, weights, state: { features, travellers } as TokenState, feeds, tokens };
}

describe('SPViT', () => {
  it('keeps the best patches and packs the others, twice', () => {
    fc.assert(
      fc.property(drawn, ({ seed, prefix, patches }) => {
        const { options, layout, weights, state, feeds, tokens } = drawnCase(seed, prefix, patches);
        const reducer = bound(spvit(options, layout), weights);
        const first = reducer.beforeBlock?.(1, state) ?? state;
        const second = reducer.beforeBlock?.(2, first) ?? first;
        const [found, sources] = interpret([second.features, sourceOf(second) as Tensor], feeds) as [
          Float64Tensor,
          Float64Tensor,
        ];
        for (const image of range(batch)) {
          const all = tokens(image);
          let others = all.slice(prefix);
          stages.forEach(({ block, share }, stage) => {
            const there = Array<number>(others.length).fill(1);
            const scored = selectPlainly(
              others.map(({ features }) => features),
              there,
              weights,
              `reduction.spvit.${block}`,
            );
            const live = others.length - stage;
            const order = range(live).sort((a, b) => (scored[b]?.score ?? 0) - (scored[a]?.score ?? 0));
            const staying = Math.max(1, Math.floor(patches * share));
            const dropped = order.slice(staying);
            const pick = (index: number): PlainToken => others[index] as PlainToken;
            const packed = packPlainly(
              dropped.map(pick),
              dropped.map((index) => scored[index]?.probability ?? 0),
            );
            others = [...order.slice(0, staying).map(pick), ...others.slice(live), packed];
          });
          const wanted = [...all.slice(0, prefix), ...others];
          expect(found.shape).toEqual([batch, wanted.length, width]);
          wanted.forEach((token, index) => {
            token.features.forEach((value, channel) =>
              expect(elementAt(found, [image, index, channel])).toBeCloseTo(value, 6),
            );
            expect(range(prefix + patches).filter((from) => elementAt(sources, [image, index, from]) > 0.5)).toEqual(
              [...token.source].sort((a, b) => a - b),
            );
          });
        }
      }),
      { numRuns: 60 },
    );
  });

  it('while it is trained masks and packs by scores and noise', () => {
    fc.assert(
      fc.property(drawn, ({ seed, prefix, patches }) => {
        const { learned, weights, state, feeds, tokens } = drawnCase(seed, prefix, patches);
        const form = learned.training();
        const random = new RandomGenerator(seed + 1);
        for (const noise of form.noise)
          feeds.set(
            noise,
            fromPositions([batch, patches, 1], () => random.normal()),
          );
        const reducer = bound(form.reducer, weights);
        const first = reducer.beforeBlock?.(1, { features: state.features }) ?? state;
        const second = reducer.beforeBlock?.(2, first) ?? first;
        const [found, mask] = interpret([second.features, second.mask as Tensor], feeds) as [
          Float64Tensor,
          Float64Tensor,
        ];
        expect(found.shape).toEqual([batch, prefix + patches + 2, width]);
        for (const image of range(batch)) {
          const others = tokens(image).slice(prefix);
          let there = Array<number>(patches).fill(1);
          stages.forEach(({ block }, stage) => {
            const scored = selectPlainly(
              others.map(({ features }) => features),
              [...there, ...Array<number>(stage).fill(1)],
              weights,
              `reduction.spvit.${block}`,
            );
            const noise = feeds.get(form.noise[stage] as Tensor) as Float64Tensor;
            const stays = there.map((value, patch) =>
              (scored[patch]?.score ?? 0) + elementAt(noise, [image, patch, 0]) > 0 ? value : 0,
            );
            const going = there.map(
              (value, patch) => (value - (stays[patch] ?? 0)) * (scored[patch]?.probability ?? 0),
            );
            const packed = packPlainly(others.slice(0, patches), going);
            others.push(
              going.every((value) => value === 0) ? { ...packed, features: packed.features.map(() => 0) } : packed,
            );
            there = stays;
          });
          others.forEach(({ features }, index) =>
            features.forEach((value, channel) =>
              expect(elementAt(found, [image, prefix + index, channel])).toBeCloseTo(value, 5),
            ),
          );
          expect(range(prefix + patches + 2).map((token) => Math.round(elementAt(mask, [image, token, 0])))).toEqual([
            ...Array<number>(prefix).fill(1),
            ...there,
            1,
            1,
          ]);
        }
      }),
      { numRuns: 60 },
    );
  });
});
