/** MCTF's fusion and what fused tokens read, against plain loops in float64. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../../src/data/random.ts';
import type { Tensor } from '../../../src/graph/tensor.ts';
import { fusionPoolings, mctf, mctfTokens } from '../../../src/reduction/methods/mctf.ts';
import type { MctfOptions } from '../../../src/reduction/methods/mctf.ts';
import { tokenCount } from '../../../src/reduction/token-layout.ts';
import type { TokenLayout } from '../../../src/reduction/token-layout.ts';
import { sourceOf } from '../../../src/reduction/token-state.ts';
import type { TokenState } from '../../../src/reduction/token-state.ts';
import { elementAt } from '../../graph/float64-array.ts';
import type { Float64Tensor } from '../../graph/float64-array.ts';
import { interpret } from '../../graph/float64-interpreter.ts';
import { batch, drawnAttention } from '../drawn-attention.ts';
import { fuseGroups, fuseMap, pool } from './plain-mctf.ts';

const width = 4;
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

const temperature = fc.constantFrom(0, 1, 2, 20);

const cases = fc.record({
  seed: fc.nat(1e6),
  prefix: fc.integer({ min: 0, max: 3 }),
  patches: fc.integer({ min: 9, max: 15 }),
  wanted: fc.integer({ min: 1, max: 7 }),
  sized: fc.boolean(),
  both: fc.boolean(),
  pooling: fc.constantFrom(...fusionPoolings),
  temperatures: fc
    .record({ similarity: temperature, information: temperature, size: temperature })
    .filter(({ similarity, information }) => similarity + information > 0),
});

describe('MCTF', () => {
  it('fuses the tokens that lists fuse, and lets them read the pooled map', () => {
    fc.assert(
      fc.property(cases, ({ seed, prefix, patches, wanted, sized, both, pooling, temperatures }) => {
        const layout: TokenLayout = { prefix, grid: [1, patches] };
        const tokens = tokenCount(layout);
        const options: MctfOptions = {
          removed: [wanted],
          temperatures,
          ahead: 1,
          both,
          pooling,
          proportional: true,
        };
        const count = tokens - (mctfTokens(options, layout)[0] ?? 0);
        const random = new RandomGenerator(seed);
        const { view, feeds, fed } = drawnAttention(random, tokens, width);
        const features = fed('features', [batch, tokens, width], () => random.normal());
        const size = sized ? fed('size', [batch, tokens, 1], () => random.uniform(1, 3)) : undefined;
        const source = fed('source', [batch, tokens, tokens], ([, row, column]) => Number(row === column));
        const state: TokenState = { features, size, travellers: { source: { value: source, merging: 'sum' } } };
        const fused = mctf(options, layout).fuse?.(0, state, view);
        if (count === 0) {
          expect(fused).toBeUndefined();
          return;
        }
        const values = fed('fused values', [batch, tokens - count, width], () => random.normal());
        const found = interpret(
          [
            fused?.state.features as Tensor,
            fused?.state.size as Tensor,
            sourceOf(fused?.state as TokenState) as Tensor,
            fused?.attend?.(values, false) as Tensor,
            ...(prefix > 0 ? [fused?.attend?.(values, true) as Tensor] : []),
          ],
          feeds,
        ) as [Float64Tensor, Float64Tensor, Float64Tensor, Float64Tensor, Float64Tensor?];
        const of = (symbol: Tensor, position: number[]): number =>
          elementAt(feeds.get(symbol) as Float64Tensor, position);
        for (const image of range(batch)) {
          const map = range(view.heads).map((head) =>
            range(tokens).map((query) =>
              range(tokens).map((key) => of(view.probabilities(), [image, head, query, key])),
            ),
          );
          const plain = range(tokens).map((token) => ({
            features: range(width).map((channel) => of(features, [image, token, channel])),
            size: size === undefined ? 1 : of(size, [image, token, 0]),
            received: map.flat().reduce((sum, row) => sum + (row[token] ?? 0), 0) / (view.heads * tokens),
          }));
          const groups = fuseGroups(plain, count, prefix, options, sized);
          expect(found[0].shape).toEqual([batch, groups.length, width]);
          const rows = pool(
            plain.map((token) => token.features),
            plain,
            groups,
            pooling,
          );
          groups.forEach((group, index) => {
            rows[index]?.forEach((value, channel) =>
              expect(elementAt(found[0], [image, index, channel])).toBeCloseTo(value, 6),
            );
            const whole = group.reduce((sum, position) => sum + (plain[position]?.size ?? 0), 0);
            expect(elementAt(found[1], [image, index, 0])).toBeCloseTo(whole, 6);
            expect(range(tokens).filter((from) => elementAt(found[2], [image, index, from]) === 1)).toEqual(
              [...group].sort((a, b) => a - b),
            );
          });
          const perHead = width / view.heads;
          map.forEach((own, head) => {
            fuseMap(own, plain, groups, pooling).forEach((row, query) => {
              for (const channel of range(perHead)) {
                const at = head * perHead + channel;
                const wanted = row.reduce((sum, weight, key) => sum + weight * of(values, [image, key, at]), 0);
                expect(elementAt(found[3], [image, query, at])).toBeCloseTo(wanted, 6);
                if (query < prefix && found[4] !== undefined)
                  expect(elementAt(found[4], [image, query, at])).toBeCloseTo(wanted, 6);
              }
            });
          });
        }
      }),
      { numRuns: 150 },
    );
  });

  it('fuses after the block in one of its forms, and before attention anew in another', () => {
    const layout: TokenLayout = { prefix: 1, grid: [2, 8] };
    const { view, fed } = drawnAttention(new RandomGenerator(3), 17, width);
    const features = fed('features', [batch, 17, width], () => 1);
    const options: MctfOptions = {
      removed: [4],
      temperatures: { similarity: 1, information: 20, size: 40 },
      ahead: 0,
      both: true,
      pooling: 'attention',
      proportional: false,
    };
    const [after, anew] = [mctf(options, layout), mctf({ ...options, ahead: 2 }, layout)];
    expect(after.fuse).toBeUndefined();
    expect(after.afterBlock?.(0, { features }, view).features.shape).toEqual([batch, 13, width]);
    const fused = anew.fuse?.(0, { features }, view);
    expect(fused?.state.features.shape).toEqual([batch, 13, width]);
    expect(fused?.attend).toBeUndefined();
    expect(after.keySizes?.(0, { features, size: features })).toBeUndefined();
  });

  it('counts as the authors’ code does: a share of patches, and never fewer than 10 tokens', () => {
    const layout: TokenLayout = { prefix: 1, grid: [8, 8] };
    expect(mctfTokens({ removed: [0.35, 0, 0.35, 0.35] }, layout)).toEqual([43, 43, 29, 20]);
    expect(mctfTokens({ removed: Array<number>(8).fill(8) }, layout)).toEqual([57, 49, 41, 33, 25, 17, 10, 10]);
    expect(mctfTokens({ removed: [3] }, { prefix: 1, grid: [2, 3] })).toEqual([7]);
  });
});
