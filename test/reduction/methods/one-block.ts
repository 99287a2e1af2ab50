/**
 * One block of a method on random token states in float64, symbolically and in plain loops.
 */
import * as fc from 'fast-check';
import { expect } from 'vitest';
import { RandomGenerator } from '../../../src/data/random.ts';
import type { Tensor } from '../../../src/graph/tensor.ts';
import type { TokenReducer } from '../../../src/reduction/token-reducer.ts';
import { tokenCount } from '../../../src/reduction/token-layout.ts';
import type { TokenLayout } from '../../../src/reduction/token-layout.ts';
import type { TokenState, Travellers } from '../../../src/reduction/token-state.ts';
import { elementAt } from '../../graph/float64-array.ts';
import type { Float64Tensor } from '../../graph/float64-array.ts';
import { interpret } from '../../graph/float64-interpreter.ts';
import { batch, drawnAttention } from '../drawn-attention.ts';
import type { PlainAttention, PlainToken } from './plain-methods.ts';

const width = 4;

/** Few different values, so that many tokens are equal to others in what they are ranked by. */
class CoarseGenerator extends RandomGenerator {
  override normal(): number {
    return super.uniform() < 0.5 ? 3 : -1;
  }
  override uniform(): number {
    return super.uniform() < 0.5 ? 0.25 : 0.5;
  }
}

/** A drawn state. */
export interface Case {
  readonly seed: number;
  readonly layout: TokenLayout;
  readonly sized: boolean;
  readonly ties: boolean;
}

/** No prefix tokens to three, and grids of any shape. */
export const cases = (fewestPrefixTokens: number): fc.Arbitrary<Case> => {
  const grid = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 2, max: 5 }));
  const layout = fc.record({ prefix: fc.integer({ min: fewestPrefixTokens, max: 3 }), grid });
  return fc.record({ seed: fc.nat(1e6), layout, sized: fc.boolean(), ties: fc.boolean() });
};

/**
 * Runs one block symbolically and plainly, and compares features, sizes and what travels, in order.
 */
export function compare(
  { seed, layout, sized, ties }: Case,
  reducer: TokenReducer,
  plainly: (state: readonly PlainToken[], attention: PlainAttention) => readonly PlainToken[],
  block = 0,
): void {
  const tokens = tokenCount(layout);
  const random = ties ? new CoarseGenerator(seed) : new RandomGenerator(seed);
  const { view, feeds, fed } = drawnAttention(random, tokens, width);
  const exact = new RandomGenerator(seed + 1);
  const features = fed('features', [batch, tokens, width], () => exact.normal());
  const size = sized ? fed('size', [batch, tokens, 1], () => exact.uniform(1, 3)) : undefined;
  const source = fed('source', [batch, tokens, tokens], ([, row, column]) => Number(row === column));
  const place = fed('place', [batch, tokens, 1], () => exact.normal());
  const label = fed('label', [batch, tokens, 1], ([, token = 0]) => token);
  const of = (symbol: Tensor): Float64Tensor => feeds.get(symbol) as Float64Tensor;
  const travellers: Travellers = {
    source: { value: source, merging: 'sum' },
    place: { value: place, merging: 'mean' },
    label: { value: label, merging: 'destination' },
  };
  const before: TokenState = { features, size, travellers };
  const state = reducer.beforeBlock?.(block, before) ?? before;
  const reduced = reducer.afterAttention?.(block, state, view) ?? state;
  const left = Object.keys(travellers).map((name) => reduced.travellers?.[name]?.value as Tensor);
  const present = [reduced.features, ...left, ...(reduced.size === undefined ? [] : [reduced.size])];
  const [outFeatures, outSource, outPlace, outLabel, outSize] = interpret(present, feeds) as [
    Float64Tensor,
    Float64Tensor,
    Float64Tensor,
    Float64Tensor,
    Float64Tensor?,
  ];
  for (let image = 0; image < batch; image++) {
    const range = Array.from({ length: tokens }, (_, index) => index);
    const channels = Array.from({ length: width / view.heads }, (_, index) => index);
    const heads = Array.from({ length: view.heads }, (_, index) => index);
    const vectors = (tensor: Tensor): number[][][] =>
      heads.map((head) => range.map((token) => channels.map((d) => elementAt(of(tensor), [image, head, token, d]))));
    const attention: PlainAttention = {
      classRow: heads.map((head) => range.map((token) => elementAt(of(view.classAttention()), [image, head, token]))),
      map: heads.map((head) =>
        range.map((query) => range.map((key) => elementAt(of(view.probabilities()), [image, head, query, key]))),
      ),
      keys: vectors(view.keys),
      values: vectors(view.values),
    };
    const plain = range.map((token): PlainToken => ({
      features: Array.from({ length: width }, (_, channel) => elementAt(of(features), [image, token, channel])),
      size: size === undefined ? 1 : elementAt(of(size), [image, token, 0]),
      source: new Set([token]),
      place: elementAt(of(place), [image, token, 0]),
      label: token,
    }));
    const wanted = plainly(plain, attention);
    expect(outFeatures.shape).toEqual([batch, wanted.length, width]);
    wanted.forEach((token, index) => {
      for (let from = 0; from < tokens; from++)
        expect(elementAt(outSource, [image, index, from])).toBe(Number(token.source.has(from)));
      token.features.forEach((value, channel) =>
        expect(elementAt(outFeatures, [image, index, channel])).toBeCloseTo(value, 6),
      );
      expect(elementAt(outPlace, [image, index, 0])).toBeCloseTo(token.place ?? NaN, 6);
      expect(elementAt(outLabel, [image, index, 0])).toBe(token.label);
      expect(outSize === undefined ? 1 : elementAt(outSize, [image, index, 0])).toBeCloseTo(token.size, 6);
    });
  }
}
