/**
 * One block of the selection rule `dissimilarity` against plain loops in float64, and what it keeps
 * to whatever the tokens are, as ONNX Runtime computes it.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../src/data/random.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { selectionCounts } from '../../src/reduction/dissimilarity.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import type { Selection } from '../../src/reduction/selection.ts';
import { sourceOf } from '../../src/reduction/token-state.ts';
import type { TokenState } from '../../src/reduction/token-state.ts';
import { floats } from '../../src/runtime/runtime.ts';
import { elementAt } from '../graph/float64-array.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { interpret } from '../graph/float64-interpreter.ts';
import { runGraph } from '../graph/run-graph.ts';
import { batch, drawnAttention } from './drawn-attention.ts';
import type { DrawnAttention } from './drawn-attention.ts';
import type { PlainToken } from './plain-diffrate.ts';
import { selectPlainly } from './plain-dissimilarity.ts';

const width = 4;
const everyRule: fc.Arbitrary<Selection> = fc.record({
  rule: fc.constant('dissimilarity' as const),
  power: fc.constantFrom(0, 1, 2, 1.4, 8),
  perSize: fc.constantFrom(0, 0.5, 1),
  candidates: fc.constantFrom(0, 0.5, 1),
  weight: fc.constantFrom(0, 0.5, 1),
  norm: fc.constantFrom(0, 0.8, 1),
  coherence: fc.constantFrom(0, 1, 0.5),
});

/** Any numbers of a block that leave its prefix and one patch. */
const numbers = fc
  .record({ prefix: fc.integer({ min: 0, max: 2 }), tokens: fc.integer({ min: 4, max: 11 }) })
  .chain(({ prefix, tokens }) => {
    const kept = fc.integer({ min: prefix + 1, max: tokens });
    return fc.record({
      prefix: fc.constant(prefix),
      tokens: fc.constant(tokens),
      pruneKept: fc.oneof(fc.constant(tokens), kept),
      mergeKept: kept,
    });
  });

interface Reduced {
  readonly features: Tensor;
  readonly source: Tensor;
  readonly size: Tensor | undefined;
}

/** One block of these numbers after attention. */
function reduced(
  drawn: DrawnAttention,
  state: TokenState,
  selection: Selection,
  prefix: number,
  pruneKept: number,
  mergeKept: number,
): Reduced {
  const tokens = Number(state.features.shape[1]);
  const reducer = diffRate(
    { pruneKept: [pruneKept], mergeKept: [mergeKept], merging: 'patches', selection },
    { layout: { prefix, grid: [1, tokens - prefix] }, importanceFrom: 'class-token' },
  );
  const source = drawn.fed('source', [batch, tokens, tokens], ([, row, column]) => Number(row === column));
  const traced = { ...state, travellers: { source: { value: source, merging: 'sum' as const } } };
  const after = reducer.afterAttention?.(0, traced, drawn.view) ?? traced;
  return { features: after.features, source: sourceOf(after) as Tensor, size: after.size };
}

describe('one block of the rule dissimilarity', () => {
  it('does to any tokens what plain loops do', () => {
    const drawn = fc.record({ seed: fc.nat(1e6), numbers, selection: everyRule, sized: fc.boolean() });
    fc.assert(
      fc.property(drawn, ({ seed, numbers: { prefix, tokens, pruneKept, mergeKept }, selection, sized }) => {
        const random = new RandomGenerator(seed);
        const attention = drawnAttention(random, tokens, width);
        const { feeds, fed, scores } = attention;
        const features = fed('features', [batch, tokens, width], () => random.normal());
        const sizeOf = ([, token = 0]: readonly number[]): number => (token < prefix ? 1 : random.uniform(1, 3));
        const size = sized ? fed('size', [batch, tokens, 1], sizeOf) : undefined;
        const after = reduced(attention, { features, size }, selection, prefix, pruneKept, mergeKept);
        const wantedTensors = [after.features, after.source, ...(after.size === undefined ? [] : [after.size])];
        const [outFeatures, outSource, outSize] = interpret(wantedTensors, feeds) as [
          Float64Tensor,
          Float64Tensor,
          Float64Tensor | undefined,
        ];
        const of = (symbol: Tensor): Float64Tensor => feeds.get(symbol) as Float64Tensor;
        for (let image = 0; image < batch; image++) {
          const plain = Array.from({ length: tokens }, (_, token): PlainToken => ({
            features: Array.from({ length: width }, (__, channel) => elementAt(of(features), [image, token, channel])),
            size: size === undefined ? 1 : elementAt(of(size), [image, token, 0]),
            source: new Set([token]),
          }));
          const importance = plain.map((_, token) => scores('class-attention', image, token));
          const wanted = selectPlainly(plain, importance, pruneKept, mergeKept, prefix, selection);
          expect(outFeatures.shape).toEqual([batch, wanted.length, width]);
          wanted.forEach((token, at) => {
            // Which tokens are in it says more than its numbers.
            const from = plain.map((_, origin) => elementAt(outSource, [image, at, origin]));
            expect(from).toEqual(plain.map((_, origin) => Number(token.source.has(origin))));
            // The square of a tiny distance and the weight of no attention make the difference.
            token.features.forEach((value, channel) =>
              expect(elementAt(outFeatures, [image, at, channel])).toBeCloseTo(value, 7),
            );
            expect(outSize === undefined ? 1 : elementAt(outSize, [image, at, 0])).toBeCloseTo(token.size, 9);
          });
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** What may be the matter with tokens. */
const states = ['any', 'equal', 'some equal', 'zeros', 'opposite'] as const;
const attentions = ['any', 'none', 'some', 'equal'] as const;

describe('the tokens that are left', () => {
  it('hold every patch once, the prefix first, and nothing but numbers', async () => {
    const drawn = fc.record({
      seed: fc.nat(1e6),
      numbers,
      selection: everyRule,
      sized: fc.boolean(),
      state: fc.constantFrom(...states),
      attended: fc.constantFrom(...attentions),
    });
    await fc.assert(
      fc.asyncProperty(drawn, async ({ seed, numbers, selection, sized, state, attended }) => {
        const { prefix, tokens, pruneKept, mergeKept } = numbers;
        const random = new RandomGenerator(seed);
        const attention = drawnAttention(random, tokens, width);
        const { feeds, fed } = attention;
        const row = fed('row', [batch, 2, tokens], ([, , token = 0]) => {
          if (attended === 'none' || (attended === 'some' && token % 3 !== 0)) return 0;
          return attended === 'equal' ? 1 / 8 : random.uniform();
        });
        const view = { ...attention.view, classAttention: () => row };
        const features = fed('features', [batch, tokens, width], ([, token = 0, channel = 0]) => {
          if (state === 'zeros') return 0;
          if (state === 'equal') return channel + 1;
          if (state === 'some equal' && token % 2 === 0) return channel - 2;
          if (state === 'opposite') return (token % 2 === 0 ? 1 : -1) * (channel + 1);
          return random.normal();
        });
        const sizeOf = ([, token = 0]: readonly number[]): number => (token < prefix ? 1 : 1 + random.integer(3));
        const size = sized ? fed('size', [batch, tokens, 1], sizeOf) : undefined;
        const block = reduced({ ...attention, view }, { features, size }, selection, prefix, pruneKept, mergeKept);
        const inputs = [...feeds.keys()].filter(({ source }) => source.kind === 'input');
        const used = Object.fromEntries(
          inputs.map((symbol) => {
            const { shape, data } = feeds.get(symbol) as Float64Tensor;
            const name = symbol.source.kind === 'input' ? symbol.source.name : '';
            return [name, floats(Float32Array.from(data), shape)];
          }),
        );
        const [outFeatures, outSource, outSize] = (await runGraph(
          [block.features, block.source, ...(block.size === undefined ? [] : [block.size])],
          inputs,
          used,
        )) as [Float64Tensor, Float64Tensor, Float64Tensor | undefined];
        const left = Math.min(pruneKept, mergeKept);
        expect(outFeatures.shape).toEqual([batch, left, width]);
        expect(outFeatures.data.every(Number.isFinite)).toBe(true);
        expect(outSize?.data.every((value) => Number.isFinite(value) && value >= 1) ?? true).toBe(true);
        for (let image = 0; image < batch; image++) {
          const from = (origin: number): number[] =>
            Array.from({ length: left }, (_, at) => elementAt(outSource, [image, at, origin]));
          for (let token = 0; token < prefix; token++)
            expect(from(token)).toEqual(Array.from({ length: left }, (_, at) => Number(at === token)));
          const destinations = Array.from({ length: tokens }, (_, origin) =>
            from(origin).reduce((sum, value) => sum + value, 0),
          );
          expect(destinations.filter((count) => count === 0)).toHaveLength(Math.max(0, tokens - pruneKept));
          // Tokens that equal several to the last bit join all of these.
          if (state !== 'any') continue;
          expect(Math.max(...destinations)).toBe(1);
          const sum = Array.from({ length: left }, (_, at) => (outSize ? elementAt(outSize, [image, at, 0]) : 1));
          const there = destinations.map((count, origin) =>
            count === 0 || size === undefined ? count : elementAt(feeds.get(size) as Float64Tensor, [image, origin, 0]),
          );
          const [before, after] = [there, sum].map((sizes) => sizes.reduce((a, b) => a + b));
          // What points elsewhere adds less than its size.
          if (selection.coherence === 0) expect(after).toBeCloseTo(before as number, 4);
          else expect(after).toBeLessThan((before as number) + 1e-4);
        }
      }),
      { numRuns: 250 },
    );
  });
});

describe('the counts of a block', () => {
  it('leave the prefix and one patch, and a choice where there is one', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(numbers, share, ({ prefix, tokens, mergeKept: kept }, candidates) => {
        fc.pre(kept < tokens);
        const counts = selectionCounts({ ...dissimilarity, candidates }, prefix, tokens, kept);
        expect(counts).toMatchObject({ tokens, kept, removed: tokens - kept });
        expect(counts.sure).toBeGreaterThan(prefix);
        expect(counts.sure).toBeLessThanOrEqual(kept);
        // All candidates but the one that is sure go only where nothing else could stay.
        if (kept > prefix + 1) expect(counts.candidates).toBeGreaterThan(counts.removed);
        else expect(counts.candidates).toBe(0);
      }),
    );
  });
});
