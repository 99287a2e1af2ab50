/** Merging tokens by every rule, with travellers of every rule, against plain loops. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../src/data/random.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { mergeRules } from '../../src/reduction/merge-rule.ts';
import type { MergeRule } from '../../src/reduction/merge-rule.ts';
import { mergeTokens } from '../../src/reduction/merge.ts';
import { concatStates, firstTokens, splitTokens } from '../../src/reduction/token-state.ts';
import type { TokenState, TravellerRule, Travellers } from '../../src/reduction/token-state.ts';
import { elementAt, fromPositions } from '../graph/float64-array.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { interpret } from '../graph/float64-interpreter.ts';
import { batch, drawnAttention } from './drawn-attention.ts';

const width = 4;
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const travellerRules: readonly TravellerRule[] = ['sum', 'mean', 'destination'];

/** A token with what it carries by each rule. */
interface PlainToken {
  readonly features: readonly number[];
  readonly size: number;
  readonly sum: readonly number[];
  readonly mean: readonly number[];
  readonly destination: readonly number[];
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, index) => sum + value * (b[index] as number), 0);

/** Every destination behind the prefix takes the sources that are most similar to it. */
function mergePlainly(
  destinations: readonly PlainToken[],
  sources: readonly PlainToken[],
  prefix: number,
  rule: MergeRule,
): PlainToken[] {
  const arrivals = destinations.map((): { token: PlainToken; cosine: number }[] => []);
  for (const token of sources) {
    const cosines = destinations.map(({ features }, index) =>
      index < prefix
        ? -Infinity
        : dot(token.features, features) / Math.hypot(...token.features) / Math.hypot(...features),
    );
    const cosine = Math.max(...cosines);
    arrivals[cosines.indexOf(cosine)]?.push({ token, cosine });
  }
  return destinations.map((own, index) => {
    const came = arrivals[index] ?? [];
    const all = [own, ...came.map(({ token }) => token)];
    const meanOf = (
      vector: (token: PlainToken) => readonly number[],
      weight: (token: PlainToken) => number,
    ): number[] => {
      const total = all.reduce((sum, token) => sum + weight(token), 0);
      return vector(own).map(
        (_, channel) => all.reduce((sum, token) => sum + weight(token) * (vector(token)[channel] as number), 0) / total,
      );
    };
    const grown = ({ token, cosine }: { token: PlainToken; cosine: number }): number =>
      token.size * (rule === 'similarity' ? cosine : 1);
    return {
      features: meanOf(
        (token) => token.features,
        (token) => (rule === 'patches' ? token.size : 1),
      ),
      size: came.reduce((sum, one) => sum + grown(one), own.size),
      sum: own.sum.map((_, channel) => all.reduce((sum, token) => sum + (token.sum[channel] as number), 0)),
      // By the published rule of ViTs sizes are no numbers of patches: every token weighs the same.
      mean: meanOf(
        (token) => token.mean,
        (token) => (rule === 'similarity' ? 1 : token.size),
      ),
      destination: own.destination,
    };
  });
}

const drawn = fc.record({
  seed: fc.nat(1e6),
  prefix: fc.integer({ min: 0, max: 3 }),
  patches: fc.integer({ min: 1, max: 6 }),
  sources: fc.integer({ min: 1, max: 6 }),
  rule: fc.constantFrom(...mergeRules),
  sized: fc.boolean(),
});

interface Drawn {
  readonly state: TokenState;
  plain(image: number, token: number): PlainToken;
}

/** Tokens with features, sizes and three travellers. */
function drawTokens(seed: number, tokens: number, sized: boolean): Drawn & { feeds: Map<Tensor, Float64Tensor> } {
  const random = new RandomGenerator(seed);
  const { feeds, fed } = drawnAttention(random, tokens, width);
  const features = fed('features', [batch, tokens, width], () => random.normal());
  const size = sized ? fed('size', [batch, tokens, 1], () => random.uniform(1, 4)) : undefined;
  const values = travellerRules.map((rule) => fed(rule, [batch, tokens, 2], () => random.normal()));
  const travellers: Travellers = Object.fromEntries(
    travellerRules.map((merging, index) => [merging, { value: values[index] as Tensor, merging }]),
  );
  const rowOf = (symbol: Tensor, image: number, token: number): number[] => {
    const value = feeds.get(symbol) as Float64Tensor;
    return range(value.shape[2] as number).map((channel) => elementAt(value, [image, token, channel]));
  };
  const [sum, mean, destination] = values as [Tensor, Tensor, Tensor];
  return {
    feeds,
    state: { features, size, travellers },
    plain: (image, token) => ({
      features: rowOf(features, image, token),
      size: size === undefined ? 1 : (rowOf(size, image, token)[0] as number),
      sum: rowOf(sum, image, token),
      mean: rowOf(mean, image, token),
      destination: rowOf(destination, image, token),
    }),
  };
}

function expectRows(found: Float64Tensor | undefined, wanted: readonly (readonly number[])[], image: number): void {
  wanted.forEach((row, token) =>
    row.forEach((value, channel) =>
      expect(elementAt(found as Float64Tensor, [image, token, channel])).toBeCloseTo(value, 9),
    ),
  );
}

describe('mergeTokens', () => {
  it('makes of tokens, sizes and travellers what plain loops make of them', () => {
    fc.assert(
      fc.property(drawn, ({ seed, prefix, patches, sources, rule, sized }) => {
        const kept = prefix + patches;
        const { state, plain, feeds } = drawTokens(seed, kept + sources, sized);
        const { first, rest } = splitTokens(state, kept);
        const merged = mergeTokens(first, rest, { prefix }, rule);
        const carried = (name: TravellerRule): Tensor => merged.travellers?.[name]?.value as Tensor;
        expect(Object.entries(merged.travellers ?? {}).map(([name, { merging }]) => [name, merging])).toEqual(
          travellerRules.map((name) => [name, name]),
        );
        const found = interpret(
          [merged.features, merged.size as Tensor, carried('sum'), carried('mean'), carried('destination')],
          feeds,
        );
        for (const image of range(batch)) {
          const all = range(kept + sources).map((token) => plain(image, token));
          const wanted = mergePlainly(all.slice(0, kept), all.slice(kept), prefix, rule);
          expect(found.map(({ shape }) => shape[1])).toEqual(Array<number>(5).fill(kept));
          expectRows(
            found[0],
            wanted.map(({ features }) => features),
            image,
          );
          expectRows(
            found[1],
            wanted.map(({ size }) => [size]),
            image,
          );
          travellerRules.forEach((name, index) =>
            expectRows(
              found[2 + index],
              wanted.map((token) => token[name]),
              image,
            ),
          );
        }
      }),
      { numRuns: 150 },
    );
  });

  it('leaves prefix tokens as they are, whatever is like them', () => {
    const { state, feeds } = drawTokens(4, 6, true);
    const { features } = state;
    // The sources are the prefix tokens once more.
    const same = fromPositions([batch, 6, width], ([image = 0, token = 0, channel = 0]) =>
      elementAt(feeds.get(features) as Float64Tensor, [image, token % 2, channel]),
    );
    const values = fromPositions([batch, 6, width], (position) =>
      (position[1] as number) >= 4
        ? elementAt(same, position)
        : elementAt(feeds.get(features) as Float64Tensor, position),
    );
    feeds.set(features, values);
    const { first, rest } = splitTokens(state, 4);
    for (const rule of mergeRules) {
      const merged = mergeTokens(first, rest, { prefix: 2 }, rule);
      const [found, size] = interpret([merged.features, merged.size as Tensor], feeds) as [
        Float64Tensor,
        Float64Tensor,
      ];
      for (const image of range(batch))
        for (const token of range(2)) {
          for (const channel of range(width))
            expect(elementAt(found, [image, token, channel])).toBeCloseTo(
              elementAt(values, [image, token, channel]),
              12,
            );
          expect(elementAt(size, [image, token, 0])).toBe(
            elementAt(feeds.get(state.size as Tensor) as Float64Tensor, [image, token, 0]),
          );
        }
    }
  });

  it('lets a token that is equally similar to several join all of them', () => {
    const { state, feeds } = drawTokens(9, 3, false);
    const rows = [
      [1, 0, 0, 0],
      [2, 0, 0, 0],
      [3, 0, 0, 0],
    ];
    feeds.set(
      state.features,
      fromPositions([batch, 3, width], ([, token = 0, channel = 0]) => rows[token]?.[channel] as number),
    );
    const { first, rest } = splitTokens(state, 2);
    const merged = mergeTokens(first, rest, { prefix: 0 }, 'count');
    const [found, size] = interpret([merged.features, merged.size as Tensor], feeds) as [Float64Tensor, Float64Tensor];
    expect([elementAt(found, [0, 0, 0]), elementAt(found, [0, 1, 0])]).toEqual([2, 2.5]);
    expect([elementAt(size, [0, 0, 0]), elementAt(size, [0, 1, 0])]).toEqual([2, 2]);
  });

  it('merges tokens of zeros without numbers that are none', () => {
    const { state, feeds } = drawTokens(9, 5, true);
    feeds.set(
      state.features,
      fromPositions([batch, 5, width], () => 0),
    );
    const { first, rest } = splitTokens(state, 3);
    for (const rule of mergeRules) {
      const merged = mergeTokens(first, rest, { prefix: 1 }, rule);
      const values = interpret([merged.features, merged.size as Tensor], feeds);
      expect(values.every(({ data }) => data.every(Number.isFinite))).toBe(true);
    }
  });
});

describe('states', () => {
  it('that are split and joined again are what they were', () => {
    const { state, feeds } = drawTokens(3, 5, true);
    const { first, rest } = splitTokens(state, 2);
    const whole = concatStates(first, rest);
    const before = [state.features, state.size as Tensor, state.travellers?.['mean']?.value as Tensor];
    const after = [whole.features, whole.size as Tensor, whole.travellers?.['mean']?.value as Tensor];
    const head = firstTokens(state, 2);
    const [one, other, part, same] = [
      interpret(before, feeds),
      interpret(after, feeds),
      interpret([first.features], feeds),
      interpret([head.features], feeds),
    ];
    expect(other).toEqual(one);
    expect(same).toEqual(part);
  });
});
