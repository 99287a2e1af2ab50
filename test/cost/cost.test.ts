/** Any cost: its range over a space, prices by difference, targets and their sentences. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkedCost,
  decimalsFor,
  formatCost,
  formatGflops,
  priceByDifference,
  reachableRange,
  targetValue,
} from '../../src/cost/cost.ts';
import type { Cost } from '../../src/cost/cost.ts';
import { flopsCost } from '../../src/cost/flops-cost.ts';
import { DiffrateError } from '../../src/errors.ts';
import { effectiveTokens } from '../../src/reduction/schedule.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { searchSpace } from '../../src/reduction/search-space.ts';
import { stepCost } from '../search/step-cost.ts';
import { smallNetwork } from '../small-networks.ts';

const tokens = 17;
const depth = 4;
const bounds = { smallest: 2, tokens };

const keptNumbers: fc.Arbitrary<KeptNumbers> = fc
  .array(fc.tuple(fc.integer({ min: 2, max: tokens }), fc.integer({ min: 2, max: tokens })), {
    minLength: depth,
    maxLength: depth,
  })
  .map((blocks) => ({ pruneKept: blocks.map(([prune]) => prune), mergeKept: blocks.map(([, merge]) => merge) }));

/** A function of every number, without any structure. */
const unruly = (kept: KeptNumbers): number =>
  effectiveTokens(kept, tokens, depth).reduce(
    (sum, { tokensIn, pruneKept, tokensOut }, block) =>
      sum + Math.sin(block + tokensIn) + pruneKept ** 1.5 + Math.ceil(tokensOut / 3) * (block + 1),
    0,
  );

describe('priceByDifference', () => {
  it('is the plain loop: each block moved alone, up and down, as far as there are tokens', () => {
    fc.assert(
      fc.property(keptNumbers, fc.double({ min: 0, max: 20, noNaN: true }), (kept, reach) => {
        const step = Math.max(1, Math.round(reach));
        const expected: number[] = [];
        for (let block = 0; block < depth; block++) {
          const own = Math.min(kept.pruneKept[block] as number, kept.mergeKept[block] as number);
          const up = Math.min(tokens, own + step);
          const down = Math.max(2, own - step);
          const pruneKept = [...kept.pruneKept];
          const mergeKept = [...kept.mergeKept];
          mergeKept[block] = up;
          pruneKept[block] = Math.max(kept.pruneKept[block] as number, up);
          const more = unruly({ pruneKept, mergeKept });
          mergeKept[block] = down;
          pruneKept[block] = Math.min(kept.pruneKept[block] as number, down);
          expected.push((more - unruly({ pruneKept, mergeKept })) / (up - down));
        }
        const found = priceByDifference(unruly, kept, reach, bounds);
        found.forEach((price, block) => expect(price).toBeCloseTo(expected[block] as number, 10));
      }),
    );
  });

  it('leaves the given numbers alone, and is 0 where a block can keep one number only', () => {
    const kept = { pruneKept: [3, 3], mergeKept: [3, 3] };
    const value = ({ mergeKept }: KeptNumbers): number => mergeKept.reduce((a, b) => a + b);
    expect(priceByDifference(value, kept, 4, { smallest: 3, tokens: 3 })).toEqual([0, 0]);
    expect(priceByDifference(value, kept, 4, { smallest: 1, tokens: 5 })).toEqual([1, 1]);
    expect(kept).toEqual({ pruneKept: [3, 3], mergeKept: [3, 3] });
  });

  it('sees the slope of a staircase over a reach as wide as its steps', () => {
    const value = ({ mergeKept }: KeptNumbers): number => mergeKept.reduce((sum, kept) => sum + Math.ceil(kept / 4), 0);
    const kept = { pruneKept: [17, 17, 17, 17], mergeKept: [14, 11, 9, 6] };
    for (const price of priceByDifference(value, kept, 2, bounds)) expect(price).toBe(1 / 4);
    expect(priceByDifference(value, kept, 1, bounds)).toEqual([0, 0, 0.5, 0]);
  });
});

describe('reachableRange', () => {
  it('is between what keeps the least and what keeps the most in searched blocks, the others as they are', () => {
    const space = searchSpace(smallNetwork());
    expect(space.searched).toEqual([1, 2]);
    const asked: KeptNumbers[] = [];
    const range = reachableRange((kept) => asked.push(kept), space);
    expect(range).toEqual({ min: 1, max: 2 });
    expect(asked.map(({ mergeKept }) => mergeKept)).toEqual([
      [17, 2, 2, 1],
      [17, 17, 17, 1],
    ]);
    expect(asked.map(({ pruneKept }) => pruneKept)).toEqual(asked.map(({ mergeKept }) => mergeKept));
  });

  it('reaches the uncompressed cost where every block is searched that could keep fewer, or none is read in part', () => {
    const network = smallNetwork();
    const cost = flopsCost(network);
    expect(cost.reachable(searchSpace(network, true)).max).toBe(cost.baseline);
    expect(cost.reachable(searchSpace(network)).max).toBeLessThan(0.9 * cost.baseline);
    const mean = smallNetwork({ pool: 'mean' });
    expect(flopsCost(mean).reachable(searchSpace(mean)).max).toBe(flopsCost(mean).baseline);
  });

  it('keeps all prefix tokens and a patch', () => {
    const prefixTokens = [
      { name: 'cls_token', count: 1 },
      { name: 'dist_token', count: 1 },
    ];
    const network = smallNetwork({ prefixTokens });
    const cost = flopsCost(network);
    const least = cost.value({ pruneKept: [18, 3, 3, 2], mergeKept: [18, 3, 3, 2] });
    expect(cost.reachable(searchSpace(network)).min).toBe(least);
  });
});

describe('formatCost', () => {
  it.each([
    [0.8, 'GFLOPs', undefined, '0.8 GFLOPs'],
    [1.23456789, 'GFLOPs', undefined, '1.235 GFLOPs'],
    [1.23456789, 'ms', 6, '1.23457 ms'],
    [1234.5678, 'mJ', undefined, '1235 mJ'],
    [12, 'ms', 2, '12 ms'],
    [0, 'ms', undefined, '0 ms'],
  ])('%d %s', (value, unit, digits, text) => {
    expect(formatCost(value, unit, digits)).toBe(text);
  });
});

describe('checkedCost', () => {
  it('is the same cost, and notices where it gives no finite number within its range', () => {
    const cost = flopsCost(smallNetwork());
    const kept = { pruneKept: [17, 14, 10, 6], mergeKept: [17, 12, 8, 3] };
    expect(checkedCost(cost).value(kept)).toBe(cost.value(kept));
    expect(checkedCost(cost).price(kept, 2)).toEqual(cost.price(kept, 2));
    const holed: Cost = {
      ...cost,
      value: (numbers) => (numbers.mergeKept[1] === 12 ? Number.NaN : cost.value(numbers)),
      price: () => [0, Infinity, 0, 0],
    };
    expect(() => checkedCost(holed).value(kept)).toThrow(
      'The cost in GFLOPs is NaN for pruneKept [17, 14, 10, 6] and mergeKept [17, 12, 8, 3]: it must be a finite number',
    );
    expect(() => checkedCost(holed).price(kept, 1)).toThrow(/price of a token in GFLOPs is Infinity/);
    expect(checkedCost(holed).value({ ...kept, mergeKept: [17, 11, 8, 3] })).toBeGreaterThan(0);
  });
});

describe('formatGflops', () => {
  it('has three decimals, or as many as a small network needs', () => {
    expect([4.6, 0.117, 0.07, 0.00051234, 1.2e-7, 0].map((value) => formatGflops(value))).toEqual([
      '4.600',
      '0.117',
      '0.0700',
      '0.000512',
      '0.000000120',
      '0.000',
    ]);
    // As many as what it stands beside.
    expect(formatGflops(0.07, 0.117)).toBe('0.070');
    expect(decimalsFor(2.8, 1)).toBe(1);
    expect(decimalsFor(0.028, 1)).toBe(2);
  });
});

describe('targetValue', () => {
  const network = smallNetwork();
  const space = searchSpace(network);
  const cost = stepCost(network, 4);
  const { min, max } = cost.reachable(space);
  const valueOf = (target: Parameters<typeof targetValue>[0], of: Cost = cost): number =>
    targetValue(target, of, space, 'tiny');

  it('is the value, or the share of the uncompressed cost', () => {
    expect(valueOf({ value: 60, unit: 'beats' })).toBe(60);
    expect(valueOf({ ratio: 0.6 })).toBeCloseTo(0.6 * cost.baseline, 3);
    expect(valueOf({ value: min, unit: 'beats' })).toBe(min);
    expect(valueOf({ ratio: 1 / 1.7 })).toBe(Number((cost.baseline / 1.7).toPrecision(6)));
  });

  it('refuses what cannot be spent, and says what can, in the cost’s unit', () => {
    for (const target of [
      { ratio: 0 },
      { ratio: 1 },
      { ratio: NaN },
      { ratio: Infinity },
      { value: -1, unit: 'beats' },
      { value: min - 0.01, unit: 'beats' },
      { value: max, unit: 'beats' },
    ]) {
      expect(() => valueOf(target)).toThrow(DiffrateError);
      expect(() => valueOf(target)).toThrow(
        `beats is out of reach for tiny (${cost.baseline.toFixed(3)} beats uncompressed); ` +
          `choose a target from ${min.toFixed(3)} to below ${max.toFixed(3)} beats.`,
      );
    }
    expect(() => valueOf({ ratio: 0.97 })).toThrow(/^A cost of 103\.79 beats is out of reach/);
  });

  it('names a range that is one, however small or large the cost is', () => {
    fc.assert(
      fc.property(fc.integer({ min: -9, max: 9 }), (power) => {
        const scale = 1.37 * 10 ** power;
        const scaled: Cost = {
          ...cost,
          baseline: scale * cost.baseline,
          value: (kept) => scale * cost.value(kept),
          reachable: () => ({ min: scale * min, max: scale * max }),
        };
        let sentence = '';
        try {
          valueOf({ ratio: 0.1 }, scaled);
        } catch (error) {
          sentence = String(error);
        }
        const [least, most] = (/from (\S+) to below (\S+) beats/.exec(sentence) ?? []).slice(1).map(Number);
        for (const value of [least as number, (most as number) * (1 - 1e-9)])
          expect(valueOf({ value, unit: 'beats' }, scaled)).toBe(value);
        expect(least as number).toBeLessThan(1.02 * scale * min);
        expect(most as number).toBeGreaterThan(0.98 * scale * max);
      }),
    );
  });

  it('refuses another unit than the cost’s', () => {
    expect(() => valueOf({ value: 12, unit: 'ms' })).toThrow(
      'The target is 12 ms but the cost of this search is in beats: give the target in beats.',
    );
  });
});
