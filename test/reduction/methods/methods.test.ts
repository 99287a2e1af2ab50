/**
 * One block of every training-free method against plain loops, on random token states in float64.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../../src/data/random.ts';
import type { Tensor } from '../../../src/graph/tensor.ts';
import { evit } from '../../../src/reduction/methods/evit.ts';
import { gtp } from '../../../src/reduction/methods/gtp.ts';
import { graphKinds } from '../../../src/reduction/methods/gtp-graph.ts';
import { pitome } from '../../../src/reduction/methods/pitome.ts';
import { ppt } from '../../../src/reduction/methods/ppt.ts';
import { tome } from '../../../src/reduction/methods/tome.ts';
import type { TokenReducer } from '../../../src/reduction/token-reducer.ts';
import { tokenCount } from '../../../src/reduction/token-layout.ts';
import type { TokenLayout } from '../../../src/reduction/token-layout.ts';
import type { TokenState, Travellers } from '../../../src/reduction/token-state.ts';
import { elementAt } from '../../graph/float64-array.ts';
import type { Float64Tensor } from '../../graph/float64-array.ts';
import { interpret } from '../../graph/float64-interpreter.ts';
import { batch, drawnAttention } from '../drawn-attention.ts';
import {
  evitPlainly,
  gtpGraphPlainly,
  gtpPlainly,
  pitomePlainly,
  pptPlainly,
  sparsifiedPlainly,
  tomePlainly,
} from './plain-methods.ts';
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

interface Case {
  readonly seed: number;
  readonly layout: TokenLayout;
  readonly sized: boolean;
  readonly ties: boolean;
}

/** No prefix tokens to three, and grids of any shape. */
const cases = (fewestPrefixTokens: number): fc.Arbitrary<Case> => {
  const grid = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 2, max: 5 }));
  const layout = fc.record({ prefix: fc.integer({ min: fewestPrefixTokens, max: 3 }), grid });
  return fc.record({ seed: fc.nat(1e6), layout, sized: fc.boolean(), ties: fc.boolean() });
};

/**
 * Runs one block symbolically and plainly, and compares features, sizes and what travels, in order.
 */
function compare(
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

const numRuns = 120;

describe('one block does to any tokens what plain loops do:', () => {
  it('ToMe', () => {
    fc.assert(
      fc.property(cases(0), fc.integer({ min: 0, max: 8 }), (drawn, pairs) => {
        const { layout } = drawn;
        compare(drawn, tome([pairs], layout), (tokens, attention) =>
          tomePlainly(tokens, attention, pairs, layout.prefix),
        );
      }),
      { numRuns },
    );
  });

  it('EViT, with and without the fused token', () => {
    const rate = fc.constantFrom(0.01, 0.3, 0.5, 0.7, 0.95, 1);
    fc.assert(
      fc.property(cases(1), rate, fc.boolean(), (drawn, share, fusion) => {
        const reducer = evit({ rate: share, blocks: [0], fusion }, drawn.layout);
        compare({ ...drawn, sized: false }, reducer, (tokens, attention) =>
          evitPlainly(tokens, attention, share, fusion, drawn.layout.prefix),
        );
      }),
      { numRuns },
    );
  });

  it('PPT, which prunes in some images and merges in others', () => {
    const threshold = fc.constantFrom(0, 1e-3, 3e-3, 1e-2, 1);
    fc.assert(
      fc.property(cases(1), fc.integer({ min: 0, max: 8 }), threshold, (drawn, removed, limit) => {
        const reducer = ppt({ removed, blocks: [0], threshold: limit }, drawn.layout);
        compare(drawn, reducer, (tokens, attention) =>
          pptPlainly(tokens, attention, removed, limit, drawn.layout.prefix),
        );
      }),
      { numRuns },
    );
  });

  it('PiToMe, in both halves', () => {
    const ratio = fc.constantFrom(0.5, 0.6, 0.75, 0.9, 1);
    fc.assert(
      fc.property(cases(0), ratio, fc.integer({ min: 0, max: 4 }), (drawn, kept, block) => {
        const depth = 5;
        // Equal energies are equal sums of many terms, in another order: not to the last bit.
        compare(
          { ...drawn, ties: false },
          pitome({ ratio: kept, depth }, drawn.layout),
          (tokens, attention) => pitomePlainly(tokens, attention, kept, block, depth, drawn.layout.prefix),
          block,
        );
      }),
      { numRuns },
    );
  });

  it('GTP, with every kind of graph', () => {
    const options = fc.record({
      graph: fc.constantFrom(...graphKinds),
      neighbours: fc.integer({ min: 1, max: 5 }),
      count: fc.integer({ min: 0, max: 12 }),
      alpha: fc.constantFrom(0, 0.125, 0.5),
    });
    fc.assert(
      fc.property(cases(0), options, (drawn, { graph, neighbours, count, alpha }) => {
        const { layout } = drawn;
        const reducer = gtp({ propagated: [count], graph, neighbours, alpha, sparsity: 1, tokenScale: true }, layout);
        compare(drawn, reducer, (tokens, attention) => {
          const edges = gtpGraphPlainly(
            tokens.map(({ features }) => features),
            graph,
            neighbours,
            layout,
          );
          const going = Math.min(count, tokens.length - layout.prefix - 1);
          return count === 0 ? tokens : gtpPlainly(tokens, attention, edges, going, alpha, layout.prefix);
        });
      }),
      { numRuns: 80 },
    );
  });

  it('GTP’s sparse attention', () => {
    const sparsity = fc.constantFrom(0.05, 0.3, 0.8, 0.9, 0.999);
    fc.assert(
      fc.property(fc.nat(1e6), fc.integer({ min: 2, max: 8 }), sparsity, (seed, tokens, share) => {
        const random = new RandomGenerator(seed);
        const { feeds, fed, view } = drawnAttention(random, tokens, width);
        const logits = fed('logits', [batch, view.heads, tokens, tokens], () => random.normal());
        const options = { propagated: [0], graph: 'mixed', neighbours: 1, alpha: 1, tokenScale: true } as const;
        const reducer = gtp({ ...options, sparsity: share }, { prefix: 1, grid: [1, tokens - 1] });
        const state = { features: logits };
        const [weights] = interpret([reducer.attentionWeights?.(0, state, logits) as Tensor], feeds);
        const range = Array.from({ length: tokens }, (_, index) => index);
        const valueAt = (position: number[]): number => elementAt(feeds.get(logits) as Float64Tensor, position);
        for (let head = 0; head < view.heads; head++) {
          const map = range.map((query) => {
            const powers = range.map((key) => Math.exp(valueAt([1, head, query, key])));
            const total = powers.reduce((sum, power) => sum + power);
            return powers.map((power) => power / total);
          });
          sparsifiedPlainly(map, share).forEach((row, query) =>
            row.forEach((weight, key) =>
              expect(elementAt(weights as Float64Tensor, [1, head, query, key])).toBeCloseTo(weight, 9),
            ),
          );
        }
      }),
      { numRuns: 60 },
    );
  });
});
