/**
 * Where the local search starts: a line search from the learnt schedule back to the uniform rate that learning began with, and how much of
 * what it prunes would better be merged. Gradients of the masked network lead astray where images are few, and they see a merge only
 * through its first order; what compressed networks answer decides how far to follow them.
 */
import { DiffrateError } from '../errors.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { RefinementRecipe } from './presets.ts';
import { numbersOf, project, stretch } from './projection.ts';
import type { Projection } from './projection.ts';
import { lossesOf, raceAgainst } from './race.ts';
import type { ComparedImages } from './race.ts';

/** Parts of the way from the uniform rate to the learnt schedule that race against it. */
const shares = [0.75, 0.5, 0.25, 0];

/** Parts of the ways that a schedule of another budget is followed. */
const thirds = [1 / 3, 2 / 3, 1];

/** The two ends of the line, at one cost. */
export interface StartingEnds {
  /** What gradients have learnt. */
  readonly learnt: KeptNumbers;
  /** The uniform rate. */
  readonly uniform: KeptNumbers;
}

/**
 * The best schedule on the line, and between pruning and merging.
 * @param lookEvery images between two looks of a race.
 * @param recipe `prunedShares`: parts of the pruned tokens that race against pruning all of them.
 * @returns the schedule, and how many image passes it took to find.
 */
export async function startingSchedule(
  projection: Projection,
  images: ComparedImages,
  { learnt, uniform }: StartingEnds,
  lookEvery: number,
  { prunedShares }: Pick<RefinementRecipe, 'prunedShares'>,
): Promise<{ kept: KeptNumbers; passes: number }> {
  const race = new Race(images, lookEvery);
  await race.enter(project(projection, numbersOf(projection, learnt)));
  for (const challenger of lineBetween(projection, uniform, learnt, shares)) await race.enter(challenger);
  const { best } = race;
  if (numbersOf(projection, best).pruned.some((count) => count > 0))
    for (const share of prunedShares) await race.enter(withPruned(projection, best, share));
  return { kept: race.best, passes: race.passes };
}

/**
 * Where the local search of a front's budget starts: from the schedule of the budget before, brought down to this one in two ways, by as
 * many tokens in every block and in proportion to what each removes. What is right where little is removed is too lopsided where much is:
 * so the better one is followed towards the uniform rate, and the best of these towards what gradients have learnt here. Where the budget
 * before prunes nothing, nothing is pruned here.
 */
export async function continuedSchedule(
  projection: Projection,
  images: ComparedImages,
  former: KeptNumbers,
  { learnt, uniform }: StartingEnds,
  lookEvery: number,
): Promise<{ kept: KeptNumbers; passes: number }> {
  const numbers = numbersOf(projection, former);
  const race = new Race(images, lookEvery);
  await race.enter(project(projection, numbers));
  await race.enter(stretch(projection, numbers));
  const mergesOnly = numbers.pruned.every((count) => count === 0);
  for (const end of [uniform, learnt]) {
    const followed = mergesOnly ? withPruned(projection, end, 0) : end;
    for (const challenger of lineBetween(projection, race.best, followed, thirds)) await race.enter(challenger);
  }
  return { kept: race.best, passes: race.passes };
}

/** Schedules at the target on the way from one to another. */
function lineBetween(
  projection: Projection,
  start: KeptNumbers,
  end: KeptNumbers,
  parts: readonly number[],
): KeptNumbers[] {
  const [from, to] = [numbersOf(projection, start), numbersOf(projection, end)];
  const between = (a: readonly number[], b: readonly number[], share: number): number[] =>
    a.map((value, index) => value + share * ((b[index] ?? value) - value));
  return parts.map((share) =>
    project(projection, {
      merged: between(from.merged, to.merged, share),
      pruned: between(from.pruned, to.pruned, share).map(Math.round),
    }),
  );
}

/** The same numbers of tokens after every block, of the pruned ones only a share. */
function withPruned(projection: Projection, kept: KeptNumbers, share: number): KeptNumbers {
  const { merged, pruned } = numbersOf(projection, kept);
  return project(projection, { merged, pruned: pruned.map((count) => Math.floor(share * count)) });
}

/** One schedule after the other races against the best so far. */
class Race {
  /** Image passes that it took. */
  passes = 0;
  readonly #images: ComparedImages;
  readonly #lookEvery: number;
  #best: { readonly kept: KeptNumbers; readonly losses: Float64Array } | undefined;

  constructor(images: ComparedImages, lookEvery: number) {
    this.#images = images;
    this.#lookEvery = lookEvery;
  }

  /** The best of those that have entered. */
  get best(): KeptNumbers {
    if (this.#best === undefined) throw new DiffrateError('No schedule has entered the race.');
    return this.#best.kept;
  }

  async enter(kept: KeptNumbers): Promise<void> {
    if (this.#best === undefined) {
      const { losses, passes } = await lossesOf(this.#images, kept, this.#lookEvery);
      this.#best = { kept, losses };
      this.passes += passes;
      return;
    }
    const { won, passes, losses } = await raceAgainst(this.#images, kept, this.#best.losses, this.#lookEvery);
    this.passes += passes;
    if (won) this.#best = { kept, losses };
  }
}
