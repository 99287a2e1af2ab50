/** What the recipes promise of each other. */
import { describe, expect, it } from 'vitest';
import { presets } from '../../src/search/presets.ts';
import type { PresetName } from '../../src/search/presets.ts';

/** Image passes of a search on so many images; a gradient step counts as three of its images. */
function passes(name: PresetName, images: number): number {
  const { length, batchSize, refinement } = presets[name];
  const steps = 'steps' in length ? length.steps : NaN;
  const moves = Math.max(images * (refinement?.passesPerImage ?? 0), refinement?.leastPasses ?? 0);
  return 3 * steps * batchSize + moves;
}

describe('the recipe quick', () => {
  it.each([100, 500, 1000, 5000])('takes at most a quarter of the default’s passes on %i images', (images) => {
    expect(passes('quick', images)).toBeLessThanOrEqual(passes('small-data', images) / 4);
  });

  it('searches for the same rule', () => {
    expect(presets.quick.selection).toEqual(presets['small-data'].selection);
    expect(presets.quick.merging).toBe(presets['small-data'].merging);
  });
});
