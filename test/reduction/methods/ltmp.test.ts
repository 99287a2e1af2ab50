/**
 * One block of LTMP against lists from which tokens are really removed, and its attention, in
 * float64.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float32Tensor } from '../../../src/checkpoints/weights.ts';
import { RandomGenerator } from '../../../src/data/random.ts';
import type { Tensor } from '../../../src/graph/tensor.ts';
import { parametersFromWeights } from '../../../src/networks/parameters.ts';
import { ltmp, ltmpTraining } from '../../../src/reduction/methods/ltmp.ts';
import type { TokenReducer } from '../../../src/reduction/token-reducer.ts';
import type { TokenLayout } from '../../../src/reduction/token-layout.ts';
import { sourceOf } from '../../../src/reduction/token-state.ts';
import type { TokenState } from '../../../src/reduction/token-state.ts';
import { elementAt } from '../../graph/float64-array.ts';
import type { Float64Tensor } from '../../graph/float64-array.ts';
import { interpret } from '../../graph/float64-interpreter.ts';
import { batch, drawnAttention } from '../drawn-attention.ts';

const width = 4;
const heads = 2;
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

interface PlainToken {
  readonly features: readonly number[];
  readonly size: number;
  readonly source: ReadonlySet<number>;
  readonly key: readonly number[];
  readonly importance: number;
}

const cosine = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0) / (Math.hypot(...a) * Math.hypot(...b));

/** Removes tokens of one image from a list. */
function reducePlainly(tokens: readonly PlainToken[], prefix: number, merge: number, prune: number): PlainToken[] {
  const odd = tokens.filter((_, position) => position % 2 === 1 && position >= prefix);
  const arrivals = odd.map((): PlainToken[] => []);
  const staying: PlainToken[] = [];
  tokens.forEach((token, position) => {
    if (position < prefix) return;
    if (position % 2 === 1) return;
    const similarities = odd.map((other) => cosine(token.key, other.key));
    const best = Math.max(...similarities);
    if (best > merge) arrivals[similarities.indexOf(best)]?.push(token);
    else staying.push(token);
  });
  const merged = odd.map((token, index): PlainToken => {
    const all = [token, ...(arrivals[index] ?? [])];
    const size = all.reduce((sum, one) => sum + one.size, 0);
    return {
      ...token,
      size,
      features: token.features.map(
        (_, channel) => all.reduce((sum, one) => sum + one.size * (one.features[channel] ?? 0), 0) / size,
      ),
      source: new Set(all.flatMap((one) => [...one.source])),
      importance: Math.max(...all.map(({ importance }) => importance)),
    };
  });
  return [...tokens.slice(0, prefix), ...[...staying, ...merged].filter(({ importance }) => importance > prune)];
}

/** LTMP with thresholds, for inference or in its masked form. */
function withThresholds(layout: TokenLayout, merge: number, prune: number, training: boolean): TokenReducer {
  const weights = new Map(
    Object.entries({ merge, prune }).map(([name, value]) => {
      const full = `reduction.ltmp.0.${name}`;
      return [full, float32Tensor(full, [1], Float32Array.of(value))] as const;
    }),
  );
  const sizes = { width, heads, hiddenWidth: 4 * width };
  const reducer = training
    ? ltmpTraining({ depth: 1, layout }, 0.5, sizes).training().reducer
    : ltmp({ depth: 1, layout });
  return reducer.withParameters?.(parametersFromWeights(weights, 'thresholds')) ?? reducer;
}

const layouts = fc.record({ prefix: fc.integer({ min: 0, max: 3 }), patches: fc.integer({ min: 2, max: 11 }) });

const cases = layouts.chain(({ prefix, patches }) => {
  const tokens = prefix + patches;
  const count = fc.integer({ min: Math.max(2, prefix + 1), max: tokens });
  return fc.record({
    seed: fc.nat(1e6),
    prefix: fc.constant(prefix),
    tokens: fc.constant(tokens),
    there: fc.option(fc.tuple(count, count), { nil: undefined }),
    // Thresholds are float32; these are exact in it.
    merge: fc.constantFrom(0, 0.25, 0.5, 0.75, 1),
    prune: fc.constantFrom(0, 0.25, 0.5, 0.625, 1),
    training: fc.boolean(),
  });
});

describe('LTMP', () => {
  it('leaves the tokens that lists leave, in their order, in front of those that are gone', () => {
    fc.assert(
      fc.property(cases, ({ seed, prefix, tokens, there, merge, prune, training }) => {
        const random = new RandomGenerator(seed);
        const { view, feeds, fed } = drawnAttention(random, tokens, width);
        const features = fed('features', [batch, tokens, width], () => random.normal());
        const size = fed('size', [batch, tokens, 1], () => random.uniform(1, 3));
        const source = fed('source', [batch, tokens, tokens], ([, row, column]) => Number(row === column));
        const mask =
          there === undefined
            ? undefined
            : fed('mask', [batch, tokens, 1], ([image = 0, token = 0]) => Number(token < (there[image] ?? 0)));
        const layout: TokenLayout = { prefix, grid: [1, tokens - prefix] };
        const travellers = { source: { value: source, merging: 'sum' } } as const;
        const state: TokenState = { features, size, travellers, mask };
        const reduced = withThresholds(layout, merge, prune, training).afterAttention?.(0, state, view) ?? state;
        const found = interpret(
          [reduced.features, reduced.size as Tensor, sourceOf(reduced) as Tensor, reduced.mask as Tensor],
          feeds,
        ) as [Float64Tensor, Float64Tensor, Float64Tensor, Float64Tensor];
        const of = (symbol: Tensor): Float64Tensor => feeds.get(symbol) as Float64Tensor;
        for (const image of range(batch)) {
          const live = there?.[image] ?? tokens;
          const plain = range(live).map((token): PlainToken => ({
            features: range(width).map((channel) => elementAt(of(features), [image, token, channel])),
            size: elementAt(of(size), [image, token, 0]),
            source: new Set([token]),
            key: range(width / heads).map((d) =>
              range(heads).reduce((sum, head) => sum + elementAt(of(view.keys), [image, head, token, d]) / heads, 0),
            ),
            importance:
              range(heads * live).reduce(
                (sum, row) =>
                  sum + elementAt(of(view.probabilities()), [image, row % heads, Math.floor(row / heads), token]),
                0,
              ) /
              (heads * live),
          }));
          const wanted = reducePlainly(plain, prefix, merge, prune);
          expect(range(tokens).map((token) => Math.round(elementAt(found[3], [image, token, 0])))).toEqual(
            range(tokens).map((token) => Number(token < wanted.length)),
          );
          wanted.forEach((token, index) => {
            token.features.forEach((value, channel) =>
              expect(elementAt(found[0], [image, index, channel])).toBeCloseTo(value, 6),
            );
            expect(elementAt(found[1], [image, index, 0])).toBeCloseTo(token.size, 6);
            expect(range(tokens).filter((from) => elementAt(found[2], [image, index, from]) > 0.5)).toEqual(
              [...token.source].sort((a, b) => a - b),
            );
          });
          for (const token of range(tokens).slice(wanted.length))
            expect(range(tokens).every((from) => elementAt(found[2], [image, token, from]) === 0)).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('attends to the tokens that are there alone', () => {
    const tokens = 6;
    const random = new RandomGenerator(8);
    const { feeds, fed } = drawnAttention(random, tokens, width);
    const logits = fed('logits', [batch, heads, 2, tokens], () => 5 * random.normal());
    const features = fed('features', [batch, tokens, width], () => random.normal());
    const mask = fed('mask', [batch, tokens, 1], ([image = 0, token = 0]) => Number(token < 3 + image));
    const reducer = withThresholds({ prefix: 1, grid: [1, tokens - 1] }, 0.5, 0.5, false);
    expect(reducer.attentionWeights?.(0, { features }, logits)).toBeUndefined();
    const [weights] = interpret([reducer.attentionWeights?.(0, { features, mask }, logits) as Tensor], feeds);
    for (const image of range(batch)) {
      const row = range(3 + image).map((key) =>
        Math.exp(elementAt(feeds.get(logits) as Float64Tensor, [image, 1, 1, key])),
      );
      const sum = row.reduce((a, b) => a + b);
      for (const key of range(tokens))
        expect(elementAt(weights as Float64Tensor, [image, 1, 1, key])).toBeCloseTo((row[key] ?? 0) / sum, 10);
    }
  });
});
