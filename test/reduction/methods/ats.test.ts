/**
 * ATS's sampling and its softmax against the lists of the published code in plain loops, in
 * float64. Masks differ per image.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../../src/data/random.ts';
import type { Tensor } from '../../../src/graph/tensor.ts';
import { ats } from '../../../src/reduction/methods/ats.ts';
import type { QuerySelection } from '../../../src/reduction/token-reducer.ts';
import type { TokenLayout } from '../../../src/reduction/token-layout.ts';
import type { TokenState } from '../../../src/reduction/token-state.ts';
import { elementAt } from '../../graph/float64-array.ts';
import type { Float64Tensor } from '../../graph/float64-array.ts';
import { interpret } from '../../graph/float64-interpreter.ts';
import { batch, drawnAttention } from '../drawn-attention.ts';
import { atsPlainly, contributionScores, smoothedPlainly } from './plain-methods.ts';

const width = 4;
const heads = 2;
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

interface Case {
  readonly seed: number;
  readonly tokens: number;
  readonly prefix: number;
  /** Tokens that are there, per image; `undefined`: no mask yet. */
  readonly there: readonly number[] | undefined;
  readonly references: number;
  readonly drop: boolean;
}

const sizes = fc.record({ patches: fc.integer({ min: 3, max: 11 }), prefix: fc.integer({ min: 1, max: 3 }) });

const cases: fc.Arbitrary<Case> = sizes.chain(({ patches, prefix }) => {
  const tokens = prefix + patches;
  // Padding counted, a list of two patches is one that the published code leaves to chance.
  const count = fc.integer({ min: prefix + 3, max: tokens });
  return fc.record({
    seed: fc.nat(1e6),
    tokens: fc.constant(tokens),
    prefix: fc.constant(prefix),
    there: fc.option(fc.tuple(count, count), { nil: undefined }),
    references: fc.integer({ min: prefix + 2, max: tokens + 2 }),
    drop: fc.boolean(),
  });
});

const layoutOf = ({ tokens, prefix }: Case): TokenLayout => ({ prefix, grid: [1, tokens - prefix] });

/** Length of the authors' padded list in an image's batch. */
const paddedOf = ({ tokens, there, drop }: Case): number => (drop && there !== undefined ? Math.max(...there) : tokens);

const isThere = ({ tokens, there }: Case, image: number): boolean[] =>
  range(tokens).map((token) => token < (there?.[image] ?? tokens));

describe('ATS', () => {
  it('keeps the tokens that lists keep, in their order', () => {
    fc.assert(
      fc.property(cases, (drawn) => {
        const { seed, tokens, prefix, there, references, drop } = drawn;
        const random = new RandomGenerator(seed);
        const { view, feeds, fed } = drawnAttention(random, tokens, width);
        const features = fed('features', [batch, tokens, width], () => random.normal());
        const mask =
          there === undefined
            ? undefined
            : fed('mask', [batch, tokens, 1], ([image = 0, token = 0]) => Number(isThere(drawn, image)[token]));
        const state: TokenState = { features, mask };
        const reducer = ats({ blocks: [0], tokens: references, drop }, layoutOf(drawn));
        const chosen = reducer.selectQueries?.(0, state, view) as Required<QuerySelection>;
        const [found, present] = interpret([chosen.indices, chosen.mask], feeds) as [Float64Tensor, Float64Tensor];
        expect(found.shape).toEqual([batch, Math.min(tokens, references), 1]);
        const of = (symbol: Tensor): Float64Tensor => feeds.get(symbol) as Float64Tensor;
        for (let image = 0; image < batch; image++) {
          const vectors = (tensor: Tensor): number[][][] =>
            range(heads).map((head) =>
              range(tokens).map((token) =>
                range(width / heads).map((d) => elementAt(of(tensor), [image, head, token, d])),
              ),
            );
          const scores = contributionScores(
            {
              classRow: range(heads).map((head) =>
                range(tokens).map((token) => elementAt(of(view.classAttention()), [image, head, token])),
              ),
              map: [],
              keys: vectors(view.keys),
              values: vectors(view.values),
            },
            isThere(drawn, image),
            prefix,
          );
          const wanted = atsPlainly(scores, isThere(drawn, image), paddedOf(drawn), references, prefix);
          const slots = range(found.shape[1] ?? 0);
          const kept = slots.filter((slot) => elementAt(present, [image, slot, 0]) === 1);
          expect(kept.map((slot) => elementAt(found, [image, slot, 0]))).toEqual(wanted);
          expect(slots.slice(0, kept.length)).toEqual(kept);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('weighs keys as the published softmax does, and what is not there not at all', () => {
    fc.assert(
      fc.property(cases, fc.constantFrom(1, 30), (drawn, scale) => {
        const { seed, tokens, there, drop } = drawn;
        const random = new RandomGenerator(seed);
        const { feeds, fed } = drawnAttention(random, tokens, width);
        const logits = fed('logits', [batch, heads, 2, tokens], () => scale * random.normal());
        const features = fed('features', [batch, tokens, width], () => random.normal());
        const mask =
          there === undefined
            ? undefined
            : fed('mask', [batch, tokens, 1], ([image = 0, token = 0]) => Number(isThere(drawn, image)[token]));
        const reducer = ats({ blocks: [], tokens, drop }, layoutOf(drawn));
        const weights = reducer.attentionWeights?.(0, { features, mask }, logits) as Tensor;
        const [found] = interpret([weights], feeds) as [Float64Tensor];
        for (let image = 0; image < batch; image++)
          for (let head = 0; head < heads; head++)
            for (let query = 0; query < 2; query++) {
              const row = range(tokens).map((key) =>
                elementAt(feeds.get(logits) as Float64Tensor, [image, head, query, key]),
              );
              const wanted = smoothedPlainly(row, isThere(drawn, image), paddedOf(drawn));
              wanted.forEach((weight, key) =>
                expect(elementAt(found, [image, head, query, key])).toBeCloseTo(weight, 7),
              );
            }
      }),
      { numRuns: 100 },
    );
  });
});
