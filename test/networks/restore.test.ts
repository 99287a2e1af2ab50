/**
 * Tokens that come back after the span: copies of what they went into, against plain copies by
 * source.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../src/data/random.ts';
import { reshape } from '../../src/graph/operators/index.ts';
import { input } from '../../src/graph/tensor.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { copiesBySource, forward, pixelInput } from '../../src/networks/forward.ts';
import type { Network } from '../../src/networks/network.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { sourceOf } from '../../src/reduction/token-state.ts';
import type { TokenState } from '../../src/reduction/token-state.ts';
import { floats } from '../../src/runtime/runtime.ts';
import { elementAt, fromPositions } from '../graph/float64-array.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { interpret } from '../graph/float64-interpreter.ts';
import { runGraph } from '../graph/run-graph.ts';
import { randomValues } from '../random-network.ts';
import { narrowSizes, smallNetwork, smallWeights } from '../small-networks.ts';

const batch = 2;
const width = 3;
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** Every input token as the mean of the tokens that it went into. */
function copyPlainly(features: Float64Tensor, source: Float64Tensor, there: (image: number, token: number) => boolean) {
  const [images = 0, left = 0, channels = 0] = features.shape;
  const tokens = source.shape[2] as number;
  return fromPositions([images, tokens, channels], ([image = 0, token = 0, channel = 0]) => {
    const owners = range(left).filter((owner) => there(image, owner) && elementAt(source, [image, owner, token]) === 1);
    return owners.reduce((sum, owner) => sum + elementAt(features, [image, owner, channel]), 0) / owners.length;
  });
}

function expectClose(found: Float64Tensor | undefined, wanted: Float64Tensor, digits: number): void {
  expect(found?.shape).toEqual(wanted.shape);
  wanted.data.forEach((value, index) => expect(found?.data[index]).toBeCloseTo(value, digits));
}

describe('copiesBySource', () => {
  const fed = (
    values: ReadonlyMap<string, Float64Tensor>,
  ): { symbols: Tensor[]; feeds: Map<Tensor, Float64Tensor> } => {
    const symbols = [...values].map(([name, { shape }]) => input(name, 'float32', shape));
    return { symbols, feeds: new Map([...values.values()].map((value, index) => [symbols[index] as Tensor, value])) };
  };

  const drawn = fc.record({
    seed: fc.nat(1e6),
    tokens: fc.integer({ min: 2, max: 9 }),
    share: fc.double({ min: 0.1, max: 1, noNaN: true }),
    masked: fc.boolean(),
    ties: fc.boolean(),
  });

  it('gives every token what it went into; one that went into several becomes their mean', () => {
    fc.assert(
      fc.property(drawn, ({ seed, tokens, share, masked, ties }) => {
        const random = new RandomGenerator(seed);
        const left = Math.max(1, Math.round(tokens * share));
        const destinations = range(batch * tokens).map(() => random.integer(left));
        // Some went into a second token, to which they were equally similar.
        const seconds = destinations.map((first) => (ties && random.uniform() < 0.4 ? random.integer(left) : first));
        const source = fromPositions([batch, left, tokens], ([image = 0, owner = 0, token = 0]) => {
          const at = image * tokens + token;
          return Number(destinations[at] === owner || seconds[at] === owner);
        });
        // Of a masked state the rows behind are what is gone: their sources have joined others.
        const rows = masked ? left + 2 : left;
        const whole = fromPositions([batch, rows, tokens], ([image = 0, owner = 0, token = 0]) =>
          owner < left ? elementAt(source, [image, owner, token]) : random.integer(2),
        );
        const features = fromPositions([batch, rows, width], () => random.normal());
        const mask = fromPositions([batch, rows, 1], ([, owner = 0]) => Number(owner < left));
        const { symbols, feeds } = fed(
          new Map([
            ['features', features],
            ['source', whole],
            ['mask', mask],
          ]),
        );
        const [f, s, m] = symbols as [Tensor, Tensor, Tensor];
        const state: TokenState = {
          features: f,
          travellers: { source: { value: s, merging: 'sum' } },
          ...(masked ? { mask: m } : {}),
        };
        const restored = copiesBySource(state);
        const [found] = interpret([restored.features], feeds);
        expectClose(
          found,
          copyPlainly(features, whole, (_, owner) => owner < left),
          9,
        );
      }),
      { numRuns: 100 },
    );
  });

  it('leaves a state alone of which nobody knows where its tokens came from', () => {
    const state: TokenState = { features: input('features', 'float32', ['batch', 4, width]) };
    expect(copiesBySource(state)).toBe(state);
  });
});

describe('a network that restores its tokens', () => {
  /**
   * Three blocks, tokens merge in the last two; it answers all its tokens as they are after the
   * span.
   */
  const sizes = { ...narrowSizes, depth: 3, pool: 'mean' } as const;
  const of = (prefix: number): Network => {
    const own = smallNetwork({ ...sizes, prefixTokens: prefix === 0 ? [] : [{ name: 'cls_token', count: prefix }] });
    const tokens = 16 + prefix;
    return {
      ...own,
      span: { first: 1, end: 3 },
      depth: 2,
      importanceFrom: 'attention-received',
      mergeOnly: true,
      answers: { kind: 'features', size: tokens * own.width },
      answerOutput: 'tokens',
      restore: copiesBySource,
      readout: ({ features }) => ({ tokens: reshape(features, ['batch', Number(features.shape[1]) * own.width]) }),
    };
  };

  it.each([
    [0, 'count'],
    [1, 'similarity'],
    [3, 'patches'],
  ] as const)('has %i prefix tokens and the others again after the span, merged by %s', async (prefix, merging) => {
    const network = of(prefix);
    const parameters = parametersFromWeights(smallWeights(network), 'random weights');
    const pixels = pixelInput(network);
    const tokens = 16 + prefix;
    const kept = { pruneKept: [tokens, tokens], mergeKept: [tokens - 4, prefix + 3], merging };
    const { answer, states } = forward(network, pixels, { parameters, reducer: diffRate(kept, network) });
    const last = states.at(-1) as TokenState;
    const feeds = { pixel_values: floats(randomValues(batch * 3072, 3), [batch, 3, 32, 32]) };
    const [found, features, source] = await runGraph(
      [answer, last.features, sourceOf(last) as Tensor],
      [pixels],
      feeds,
    );
    expect(features?.shape).toEqual([batch, prefix + 3, 24]);
    const wanted = copyPlainly(features as Float64Tensor, source as Float64Tensor, () => true);
    expect(wanted.shape).toEqual([batch, tokens, 24]);
    expectClose({ shape: wanted.shape, data: (found as Float64Tensor).data }, wanted, 5);
    // Prefix tokens are themselves again, in their order.
    for (const image of range(batch))
      for (const position of range(prefix))
        for (const channel of range(24))
          expect(elementAt(wanted, [image, position, channel])).toBe(
            elementAt(features as Float64Tensor, [image, position, channel]),
          );
  });

  it('has its tokens as they are where none goes', async () => {
    const network = of(0);
    const parameters = parametersFromWeights(smallWeights(network), 'random weights');
    const pixels = pixelInput(network);
    const { answer, states } = forward(network, pixels, { parameters });
    const feeds = { pixel_values: floats(randomValues(batch * 3072, 3), [batch, 3, 32, 32]) };
    const [found, features] = await runGraph([answer, (states.at(-1) as TokenState).features], [pixels], feeds);
    expect(found?.data).toEqual(features?.data);
  });
});
