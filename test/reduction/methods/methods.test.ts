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
import { elementAt } from '../../graph/float64-array.ts';
import type { Float64Tensor } from '../../graph/float64-array.ts';
import { interpret } from '../../graph/float64-interpreter.ts';
import { batch, drawnAttention } from '../drawn-attention.ts';
import { cases, compare } from './one-block.ts';
import {
  evitPlainly,
  gtpGraphPlainly,
  gtpPlainly,
  pitomePlainly,
  pptPlainly,
  sparsifiedPlainly,
  tomePlainly,
} from './plain-methods.ts';

const width = 4;

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
