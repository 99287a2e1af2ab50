/**
 * The local search on losses that are known for every schedule, so that its answers can be checked.
 */
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { continueLocalSearch, localSearch, startLocalSearch } from '../../src/search/local-search.ts';
import type { LocalSearchContext, LocalSearchProgress, LocalSearchState } from '../../src/search/local-search.ts';
import { numbersOf } from '../../src/search/projection.ts';
import { lossesOf } from '../../src/search/race/race.ts';
import { deepCost, deepFixed, deepSpace, deepTokens } from './deep-network.ts';
import { KnownImages, meanLoss } from './known-images.ts';

const space = deepSpace(false);

const contextWith = (changes: Partial<LocalSearchContext> = {}): LocalSearchContext => ({
  space,
  cost: deepCost,
  target: 0.6 * deepCost.baseline,
  recipe: { passesPerImage: 24, leastPasses: 0, prunedShares: [0], firstStep: 8, looks: 4, fewAccepted: 0.1 },
  passes: 3000,
  seed: 5,
  ...changes,
});

/** Below the target, so that the search has something to spend first. */
const learnt: KeptNumbers = { pruneKept: [50, 50, 30, 20, 16, 1], mergeKept: [50, 32, 22, 18, 10, 1] };

interface Course {
  readonly kept: KeptNumbers;
  readonly progress: LocalSearchProgress[];
  readonly images: KnownImages;
}

async function searched(context: LocalSearchContext, start?: LocalSearchState, stopAfter = Infinity): Promise<Course> {
  const images = new KnownImages();
  const progress: LocalSearchProgress[] = [];
  const { kept } = await localSearch(context, images, start ?? startLocalSearch(context, learnt), (now) => {
    progress.push(now);
    return progress.length === stopAfter ? Promise.reject(new RangeError('stopped')) : Promise.resolve();
  });
  return { kept, progress, images };
}

/** The state at which a search is stopped, as a checkpoint would give it back. */
async function stateAfter(context: LocalSearchContext, moves: number): Promise<LocalSearchState> {
  const images = new KnownImages();
  let state: LocalSearchState | undefined;
  let count = 0;
  const stopped = localSearch(context, images, startLocalSearch(context, learnt), (now) => {
    state = now.state;
    count += 1;
    return count === moves ? Promise.reject(new RangeError('stopped')) : Promise.resolve();
  });
  await expect(stopped).rejects.toThrow('stopped');
  return JSON.parse(JSON.stringify(state));
}

let whole: Course;
beforeAll(async () => {
  whole = await searched(contextWith());
});

describe('localSearch', () => {
  it('finds a schedule that no single move improves', () => {
    const { kept, progress } = whole;
    const context = contextWith();
    expect(meanLoss(kept)).toBeLessThan(0.9 * meanLoss(learnt));
    expect(progress.length).toBeGreaterThan(30);
    // One token from a block to another, at the same cost or less.
    for (const from of space.searched) {
      for (const to of space.searched) {
        const mergeKept = kept.mergeKept.map((value, block) => value + Number(block === to) - Number(block === from));
        const moved = {
          pruneKept: kept.pruneKept.map((value, block) => Math.max(value, mergeKept[block] ?? 0)),
          mergeKept,
        };
        if (deepCost.value(moved) <= context.target) expect(meanLoss(moved)).toBeGreaterThan(0.99 * meanLoss(kept));
      }
    }
  });

  it('compares nothing above the target, nothing twice, and lets each best schedule lead', () => {
    const { images, kept } = whole;
    for (const compared of images.compared) {
      expect(deepCost.value(compared)).toBeLessThanOrEqual(contextWith().target);
      expect(compared.pruneKept[0]).toBe(deepTokens);
      expect(compared.mergeKept.at(-1)).toBe(1);
      compared.mergeKept.forEach((value, block) => expect(compared.pruneKept[block]).toBeGreaterThanOrEqual(value));
    }
    const keys = images.compared.map((compared) => JSON.stringify(compared));
    expect(new Set(keys).size).toBe(keys.length);
    expect(images.led[0]).toEqual(images.compared[0]);
    expect(images.led.at(-1)).toEqual(kept);
    images.led.slice(1).forEach((led, index) => {
      expect(meanLoss(led)).toBeLessThan(meanLoss(images.led[index] as KeptNumbers));
    });
  });

  it('leaves moves out that no shift of the others can pay for', async () => {
    const least = deepCost.value({ pruneKept: [50, 50, 2, 2, 2, 1], mergeKept: [50, 2, 2, 2, 2, 1] });
    const { images } = await searched(contextWith({ target: 1.02 * least }));
    expect(images.compared.length).toBeGreaterThan(3);
    for (const compared of images.compared) expect(deepCost.value(compared)).toBeLessThanOrEqual(1.02 * least);
  });

  it('prunes nothing where a schedule begins that prunes nothing', async () => {
    const context = contextWith();
    const start = startLocalSearch(context, learnt);
    const { images, kept, progress } = await searched(context, { ...start, pruned: start.pruned.map(() => 0) });
    for (const compared of images.compared)
      expect(numbersOf(context, compared).pruned).toEqual(space.searched.map(() => 0));
    expect(progress.length).toBeGreaterThan(15);
    expect(meanLoss(kept)).toBeLessThan(meanLoss(images.compared[0] as KeptNumbers));
  });

  it('begins its races with one look as often as with another', () => {
    const [start, ...races] = whole.images.ran;
    expect(start).toEqual([0, 1, 2, 3]);
    for (const ran of races)
      expect(ran).toEqual([0, 1, 2, 3].map((look) => (look + (ran[0] as number)) % 4).slice(0, ran.length));
    for (const look of [0, 1, 2, 3]) {
      const begun = races.filter(([first]) => first === look).length;
      expect(begun).toBeGreaterThan(races.length / 8);
    }
  });

  it('never gets worse, and tells what it has', () => {
    const { progress, kept } = whole;
    progress.slice(1).forEach(({ loss, state }, index) => {
      expect(loss).toBeLessThanOrEqual((progress[index]?.loss as number) + 1e-12);
      expect(state.passes).toBeGreaterThan(progress[index]?.state.passes as number);
    });
    expect(progress.at(-1)?.kept).toEqual(kept);
    const mean =
      meanLoss(kept) * (1 + (0.5 * Array.from({ length: 40 }, (_, i) => Math.sin(i)).reduce((a, b) => a + b)) / 40);
    expect(progress.at(-1)?.loss).toBeCloseTo(mean, 12);
  });

  it('gives the same for the same seed, and another order for another', async () => {
    const again = await searched(contextWith());
    expect(again.kept).toEqual(whole.kept);
    expect(again.progress).toEqual(whole.progress);
    const other = await searched(contextWith({ seed: 6 }));
    expect(other.images.compared).not.toEqual(whole.images.compared);
  });

  it('stops when its passes are used up', async () => {
    const { progress } = await searched(contextWith({ passes: 100 }));
    expect(progress.at(-1)?.state.passes).toBeGreaterThanOrEqual(100);
    expect(progress.at(-1)?.state.passes).toBeLessThan(100 + 40);
    expect((await searched(contextWith({ passes: 0 }))).progress).toEqual([]);
  });

  it('continues from every move to the same schedule, by the same moves', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: whole.progress.length - 1 }), async (moves) => {
        const rest = await searched(contextWith(), await stateAfter(contextWith(), moves));
        expect(rest.progress).toEqual(whole.progress.slice(moves));
        expect(rest.kept).toEqual(whole.kept);
      }),
      { numRuns: 12, examples: [[1], [2], [3], [whole.progress.length - 1]] },
    );
  });

  it('does not run a schedule again whose losses are known', async () => {
    const context = contextWith();
    const start = startLocalSearch(context, learnt);
    const images = new KnownImages();
    const kept = whole.images.compared[0] as KeptNumbers;
    const { losses } = await lossesOf(images, kept);
    const progress: LocalSearchProgress[] = [];
    const found = await localSearch(
      context,
      images,
      start,
      (now) => {
        progress.push(now);
        return Promise.resolve();
      },
      { kept, losses },
    );
    expect(progress).toEqual(whole.progress);
    expect(found.kept).toEqual(whole.kept);
    expect(images.compared).toEqual(whole.images.compared);
    // Losses of another schedule are of no use.
    const other = new KnownImages();
    await localSearch(contextWith({ passes: 0 }), other, start, () => Promise.resolve(), { kept: whole.kept, losses });
    expect(other.compared).toEqual([kept]);
  });

  it('ends at once where no block is searched', async () => {
    const { kept } = await searched(contextWith({ space: { ...space, searched: [] } }));
    expect(kept).toEqual(deepFixed());
  });
});

describe('continueLocalSearch', () => {
  it('goes on in the order of moves that another budget’s search had come to, with half of the first size at least', async () => {
    const context = contextWith({ passes: 600 });
    const { progress } = await searched(context);
    const former = { ...(progress.at(-1)?.state as LocalSearchState), step: 2 };
    const next = contextWith({ target: 0.5 * deepCost.baseline });
    const { step, sweep, moves, accepted, ...start } = continueLocalSearch(next, learnt, 7, former);
    expect({ step, sweep, moves, accepted }).toEqual({
      step: Math.max(4, former.step),
      sweep: former.sweep,
      moves: former.moves,
      accepted: former.accepted,
    });
    const { merged, pruned, passes, tried } = startLocalSearch(next, learnt, 7);
    expect(start).toEqual({ merged, pruned, passes, tried });
  });

  it('begins anew where no move was left', () => {
    const former = {
      ...startLocalSearch(contextWith(), learnt),
      step: 1,
      sweep: 9,
      moves: 4 * space.searched.length,
    };
    expect(continueLocalSearch(contextWith(), learnt, 0, former)).toMatchObject({ step: 8, sweep: 10, moves: 0 });
  });
});

describe('a state that does not fit', () => {
  it.each([
    ['no numbers', { merged: [], pruned: [] }],
    ['parts of tokens', { merged: [1.5, 2, 2, 2] }],
    ['fewer than none', { pruned: [0, -1, 0, 0] }],
  ])('is refused in a sentence: %s', async (_, changes) => {
    const context = contextWith();
    const start = { ...startLocalSearch(context, learnt), ...changes };
    await expect(searched(context, start)).rejects.toThrow(/checkpoint is damaged: .* searched blocks; start again/);
  });
});
