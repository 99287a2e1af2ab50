/** One block of ToFu and of the methods that cluster tokens against plain loops, in float64. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linkages } from '../../../src/reduction/agglomeration.ts';
import { atc } from '../../../src/reduction/methods/atc.ts';
import { dpcKnn } from '../../../src/reduction/methods/dpcknn.ts';
import { kMedoids } from '../../../src/reduction/methods/kmedoids.ts';
import { parseMethod, buildMethod } from '../../../src/reduction/methods/registry.ts';
import { tofu, tofuVariants } from '../../../src/reduction/methods/tofu.ts';
import type { TokenReducer } from '../../../src/reduction/token-reducer.ts';
import { gridTokens } from '../../../src/reduction/token-layout.ts';
import { smallNetwork } from '../../small-networks.ts';
import { cases, compare } from './one-block.ts';
import { atcPlainly, dpcKnnPlainly, kMedoidsPlainly, tofuPlainly } from './plain-clusters.ts';

const numRuns = 120;

describe('one block does to any tokens what plain loops do:', () => {
  it('ToFu, which prunes or keeps norms', () => {
    const choices = fc.record({
      wanted: fc.integer({ min: 0, max: 8 }),
      prunes: fc.boolean(),
      variant: fc.constantFrom(...tofuVariants),
      sizes: fc.boolean(),
    });
    fc.assert(
      fc.property(cases(0), choices, (drawn, asked) => {
        const plain = { ...asked, sizes: asked.sizes && asked.variant === 'formula' };
        const options = { ...plain, removed: () => plain.wanted, pruning: plain.prunes ? 1 : 0 };
        compare({ ...drawn, sized: plain.sizes, ties: false }, tofu(options, drawn.layout), (tokens, attention) =>
          tofuPlainly(tokens, attention, plain, drawn.layout.prefix),
        );
      }),
      { numRuns },
    );
  });

  it('ATC, by every linkage', () => {
    const linkage = fc.constantFrom(...linkages);
    fc.assert(
      fc.property(
        cases(0),
        fc.double({ min: 0.1, max: 1, noNaN: true }),
        linkage,
        fc.boolean(),
        (drawn, keep, by, on) => {
          const { layout } = drawn;
          const count = Math.max(1, Math.floor(keep * (gridTokens(layout) - 1)));
          compare(
            { ...drawn, sized: drawn.sized && on, ties: false },
            atc({ clusters: [count], linkage: by, proportional: on }, layout),
            (tokens, attention) => atcPlainly(tokens, attention, count, by, on, layout.prefix),
          );
        },
      ),
      { numRuns },
    );
  });

  it('K-medoids, by the attention of the block before', () => {
    fc.assert(
      fc.property(
        cases(0),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 0, max: 4 }),
        (drawn, most, iterations) => {
          const { layout } = drawn;
          const count = Math.min(most, gridTokens(layout) - 1);
          const reducer = kMedoids({ clusters: [undefined, count], iterations }, layout);
          const both: TokenReducer = {
            name: 'two blocks',
            afterAttention(_, state, view) {
              const seen = reducer.afterAttention?.(0, state, view) ?? state;
              return reducer.beforeBlock?.(1, seen) ?? seen;
            },
          };
          compare({ ...drawn, sized: false, ties: false }, both, (tokens, attention) =>
            kMedoidsPlainly(tokens, attention, count, iterations, layout.prefix),
          );
        },
      ),
      { numRuns },
    );
  });

  it('DPC-KNN', () => {
    fc.assert(
      fc.property(
        cases(0),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        (drawn, most, neighbours) => {
          const { layout } = drawn;
          const count = Math.min(most, gridTokens(layout) - 1);
          compare(
            { ...drawn, sized: false, ties: false },
            dpcKnn({ clusters: [count], neighbours }, layout),
            (tokens) => dpcKnnPlainly(tokens, count, neighbours, layout.prefix),
          );
        },
      ),
      { numRuns },
    );
  });
});

describe('clusters', () => {
  const network = smallNetwork();
  const tokens = (text: string): readonly number[] => buildMethod(parseMethod(text), network).tokensPerBlock;

  it('follow from a keep rate or a list, and are never more than there are tokens', () => {
    expect(tokens('atc:keep=0.7')).toEqual([17, 12, 8, 6]);
    expect(tokens('atc:clusters=40/5,blocks=0/3')).toEqual([17, 17, 17, 6]);
    expect(tokens('dpcknn:keep=0.01')).toEqual([17, 2, 2, 2]);
    expect(tokens('kmedoids:clusters=3/9/2')).toEqual([17, 4, 4, 3]);
  });
});
