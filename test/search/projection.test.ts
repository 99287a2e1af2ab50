/** Moved numbers made to cost the target again by the blocks after them. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keptOf, numbersOf, project } from '../../src/search/projection.ts';
import type { Numbers, Projection } from '../../src/search/projection.ts';
import { deepProjection, deepTokens } from './deep-network.ts';

const { space } = deepProjection(1);
const last = space.searched.length - 1;

const contextAt = deepProjection;

/** A schedule at its target, and one of its numbers moved. */
const move = fc.record({
  ratio: fc.double({ min: 0.4, max: 0.9, noNaN: true }),
  start: fc.array(fc.integer({ min: 2, max: deepTokens }), { minLength: last + 1, maxLength: last + 1 }),
  held: fc.integer({ min: 0, max: last }),
  change: fc.integer({ min: -12, max: 12 }),
});

/** Cost where every block after the held one keeps this many. */
const costWith = (context: Projection, numbers: Numbers, held: number, kept: number): number =>
  context.cost.value(
    keptOf(context, { ...numbers, merged: numbers.merged.map((own, index) => (index > held ? kept : own)) }),
  );

describe('keptOf', () => {
  it('makes any numbers whole, falling, and of at least two tokens', () => {
    const anyNumber = fc.double({ min: -2 * deepTokens, max: 2 * deepTokens, noNaN: true });
    const numbers = fc.array(anyNumber, { minLength: last + 1, maxLength: last + 1 });
    fc.assert(
      fc.property(numbers, numbers, (merged, pruned) => {
        const { pruneKept, mergeKept } = keptOf(contextAt(0.6), { merged, pruned });
        let live = deepTokens;
        for (const block of space.searched) {
          const [left, out] = [pruneKept[block] as number, mergeKept[block] as number];
          for (const kept of [left, out]) expect(Number.isInteger(kept)).toBe(true);
          expect(left).toBeLessThanOrEqual(live);
          expect(out).toBeLessThanOrEqual(left);
          expect(out).toBeGreaterThanOrEqual(2);
          live = out;
        }
      }),
    );
  });
});

describe('project', () => {
  it('leaves the blocks before a moved number as they are wherever the later ones can make up for it', () => {
    let [leading, shiftedAll] = [0, 0];
    fc.assert(
      fc.property(move, ({ ratio, start, held, change }) => {
        const context = contextAt(ratio);
        const pruned = start.map(() => 0);
        const { merged } = numbersOf(context, project(context, { merged: start, pruned }));
        const numbers = { pruned, merged: merged.map((own, index) => (index === held ? own + change : own)) };
        const kept = project(context, numbers, held);
        const least = costWith(context, numbers, held, 2);
        const most = costWith(context, numbers, held, deepTokens);
        if (least > context.target || most <= context.target) {
          shiftedAll += 1;
          return;
        }
        const found = numbersOf(context, kept).merged;
        expect(found.slice(0, held)).toEqual(merged.slice(0, held));
        const before = held === 0 ? deepTokens : (merged[held - 1] as number);
        expect(found[held]).toBe(Math.max(2, Math.min(before, (merged[held] as number) + change)));
        expect(context.cost.value(kept)).toBeLessThanOrEqual(context.target);
        leading += 1;
      }),
      { numRuns: 300 },
    );
    expect(leading).toBeGreaterThan(50);
    expect(shiftedAll).toBeGreaterThan(10);
  });

  it('shifts all others where the moved number is the last, or where the later ones have nothing to give', () => {
    const context = contextAt(0.6);
    const pruned = space.searched.map(() => 0);
    const { merged } = numbersOf(context, project(context, { merged: [45, 36, 24, 14], pruned }));
    const atLast = { pruned, merged: merged.map((own, index) => (index === last ? own - 8 : own)) };
    const shifted = numbersOf(context, project(context, atLast, last)).merged;
    expect(shifted[last]).toBe((merged[last] as number) - 8);
    expect(shifted[1] as number).toBeGreaterThan(merged[1] as number);
    // One before it goes down so far that the last, which keeps no more than it, has to go down as
    // well.
    const flat = numbersOf(context, project(context, { merged: [40, 30, 20, 20], pruned })).merged;
    const lower = { pruned, merged: flat.map((own, index) => (index === last - 1 ? own - 8 : own)) };
    const raised = project(context, lower, last - 1);
    expect(numbersOf(context, raised).merged[0] as number).toBeGreaterThan(flat[0] as number);
    expect(context.cost.value(raised)).toBeLessThanOrEqual(context.target);
    expect(context.cost.value(raised)).toBeGreaterThan(0.98 * context.target);
  });
});
