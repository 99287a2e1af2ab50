/**
 * Stages of patch dropout: which rate a step has, and what is refused. Runs through stages are in
 * `train.test.ts`.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkPatchDropout, dropsPatches, patchDropoutAt } from '../../src/training/patch-dropout-stages.ts';

const stages = [
  { rate: 0.75, until: 0.5 },
  { rate: 0.5, until: 0.9 },
  { rate: 0, until: 1 },
];

describe('stages of patch dropout', () => {
  it('are shares of the run, whatever its length', () => {
    expect(Array.from({ length: 10 }, (_, step) => patchDropoutAt(stages, step, 10))).toEqual([
      0.75, 0.75, 0.75, 0.75, 0.75, 0.5, 0.5, 0.5, 0.5, 0,
    ]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), (steps) => {
        const rates = Array.from({ length: steps }, (_, step) => patchDropoutAt(stages, step, steps));
        expect(rates).toEqual(rates.toSorted((a, b) => b - a));
        const most = rates.filter((rate) => rate === 0.75).length;
        expect(Math.abs(most - steps / 2)).toBeLessThan(1);
      }),
    );
  });

  it('may be one rate for all steps', () => {
    expect(patchDropoutAt(0.3, 7, 8)).toBe(0.3);
    expect([dropsPatches(0), dropsPatches(0.1), dropsPatches(stages), dropsPatches([{ rate: 0, until: 1 }])]).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('must follow each other up to the end', () => {
    expect(() => checkPatchDropout(0.5)).not.toThrow();
    expect(() => checkPatchDropout(stages)).not.toThrow();
    expect(() => checkPatchDropout([])).toThrow(/"until"/);
    expect(() => checkPatchDropout(stages.slice(0, 2))).toThrow(/end at \[0\.5, 0\.9\] of the run.* 1 in the last/);
    expect(() => checkPatchDropout(stages.toReversed())).toThrow(/rise from stage to stage/);
  });
});
