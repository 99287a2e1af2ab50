/** The numbers of the best time, and that nothing is lost between saving and restoring. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LowestLoss } from '../../../src/search/learners/lowest-loss.ts';

const steps = fc.array(fc.tuple(fc.double({ min: 0, max: 10, noNaN: true }), fc.integer()), { maxLength: 40 });

/** Running losses by a loop. */
function runningLosses(losses: readonly number[]): number[] {
  const means: number[] = [];
  for (const loss of losses) means.push(means.length === 0 ? loss : 0.95 * (means.at(-1) as number) + 0.05 * loss);
  return means;
}

describe('LowestLoss', () => {
  it('has the numbers of the step at which the running loss was lowest', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 10 }), (observed, least) => {
        const lowest = new LowestLoss(least);
        for (const [loss, value] of observed) lowest.observe(loss, [value]);
        const means = runningLosses(observed.map(([loss]) => loss)).slice(least - 1);
        if (means.length === 0) {
          expect(lowest.values).toBeUndefined();
          return;
        }
        const at = observed.slice(least - 1).findLastIndex(([, value]) => value === lowest.values?.[0]);
        expect(Math.min(...means)).toBeCloseTo(means[at] as number, 9);
      }),
    );
  });

  it('stays with what was good before the loss rises over an edge', () => {
    const lowest = new LowestLoss(3);
    for (let step = 0; step < 20; step++) lowest.observe(1 / (step + 1), [step]);
    for (let step = 20; step < 60; step++) lowest.observe(step, [step]);
    expect(lowest.values).toEqual([19]);
  });

  it('says where further steps would do harm, and only there', () => {
    const lowest = new LowestLoss(3);
    for (let step = 0; step < 40; step++) lowest.observe(1 + 0.3 * Math.sin(step), [step]);
    expect(lowest.rises).toBe(false);
    for (let step = 0; step < 40; step++) lowest.observe(2.5, [step]);
    expect(lowest.rises).toBe(true);
    const restored = new LowestLoss(3);
    restored.restore(lowest.save());
    expect(restored.rises).toBe(true);
  });

  it('goes on from what was saved', () => {
    fc.assert(
      fc.property(steps, steps, fc.integer({ min: 1, max: 10 }), (before, after, least) => {
        const whole = new LowestLoss(least);
        for (const [loss, value] of before) whole.observe(loss, [value]);
        const restored = new LowestLoss(least);
        restored.restore(JSON.parse(JSON.stringify(whole.save())) as number[]);
        for (const one of [whole, restored]) for (const [loss, value] of after) one.observe(loss, [value]);
        expect(restored.values).toEqual(whole.values);
        expect(restored.save()).toEqual(whole.save());
      }),
    );
  });
});
