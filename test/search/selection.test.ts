/** Searches by another rule of selection than the preset's. */
import { beforeAll, describe, expect, it } from 'vitest';
import { memoryImages } from '../../src/data/memory-images.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { UsageError } from '../../src/errors.ts';
import { settledSelection } from '../../src/reduction/selection-choice.ts';
import type { SelectionChoice } from '../../src/reduction/selection-choice.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { presets } from '../../src/search/presets.ts';
import type { SearchOptions } from '../../src/search/search-options.ts';
import { searchSchedule } from '../../src/search/search.ts';
import { smallNetwork } from '../evaluation/small-network.ts';

const model = smallNetwork();
let images: ImageSource;

beforeAll(() => {
  const side = 8;
  const frames = Array.from({ length: 8 }, (_, image) => ({
    width: side,
    height: side,
    data: Uint8Array.from({ length: 3 * side * side }, (__, index) => ((index + 1) * (image + 3) * 37) % 251),
    label: image % 7,
  }));
  images = memoryImages(frames, 'drawn');
});

const search = (options: Partial<SearchOptions>) =>
  searchSchedule({
    model,
    images,
    target: { ratio: 0.7 },
    steps: 3,
    batchSize: 4,
    threads: 1,
    runtime: nodeRuntime,
    ...options,
  });

describe('a search', () => {
  it.each([
    ['small-data', 'class-attention'],
    ['small-data', { rule: 'dissimilarity', power: 1 }],
    ['paper', 'dissimilarity'],
  ] as const)('by the recipe %s and the rule %j gives a schedule of that rule', async (preset, selection) => {
    const { schedule } = await search({ preset, selection });
    expect(schedule.selection).toEqual(settledSelection(selection));
    expect(schedule.merging).toBe('patches');
    expect(schedule.createdBy).toMatch(/, selection (class-attention|dissimilarity(:power=1)?), /);
  });

  it('by default has the recipe’s rule', async () => {
    const { schedule } = await search({});
    expect(schedule.selection).toEqual(presets['small-data'].selection);
    expect(schedule.createdBy).not.toMatch(/selection/);
    expect((await search({ preset: 'paper' })).schedule.selection).toBeUndefined();
  });

  it('does not go on with the progress of another rule', async () => {
    let text: string | undefined;
    const progress = {
      name: 'kept',
      read: () => Promise.resolve(text),
      write: (written: string) => Promise.resolve(void (text = written)),
      remove: () => Promise.resolve(void (text = undefined)),
    };
    await search({ progress, selection: 'dissimilarity' });
    await expect(search({ progress, resume: true, selection: 'class-attention' })).rejects.toThrow(
      /another search \(selection: dissimilarity instead of class-attention\)/,
    );
    // A rule that is the preset's own is no other one.
    const { schedule } = await search({ progress, resume: true });
    expect(schedule.selection).toEqual(dissimilarity);
  });

  it('refuses what is no rule, and a rule that the network cannot have', async () => {
    const wrong = { rule: 'dissimilarity', power: 9 } as const;
    await expect(search({ selection: wrong })).rejects.toThrow(
      new UsageError('The selection of the search needs power from 0 to 8, not 9.'),
    );
    const misspelt = 'disimilarity' as unknown as SelectionChoice;
    await expect(search({ selection: misspelt })).rejects.toThrow(/did you mean dissimilarity\?$/);
    const network = { ...model.network, layout: { ...model.network.layout, prefix: 0 } };
    await expect(search({ model: { ...model, network }, selection: 'dissimilarity' })).rejects.toThrow(
      /ranks tokens by the attention of a class token, which .* does not have/,
    );
  });
});
