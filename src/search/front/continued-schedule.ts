/**
 * Where the local search of a front's budget starts: on the path that the schedules of neighbouring
 * budgets lie on, found as path following finds its next point (predictor and corrector: Allgower &
 * Georg, "Numerical continuation methods", 1990). The predictions race, and the local search
 * corrects the best of them.
 */
import type { KeptNumbers } from '../../reduction/schedule.ts';
import { numbersOf, project, stretch } from '../projection.ts';
import type { Projection } from '../projection.ts';
import { bestAtLook, raceAgainst } from '../race/race.ts';
import type { ComparedImages, Found } from '../race/race.ts';
import { lineBetween, withPruned } from '../starting-schedule.ts';

/**
 * Parts of the way to the uniform one that the prediction by proportion is followed: with less
 * removed, what is right is more lopsided.
 */
const towardsUniform = [1 / 3, 2 / 3];

/** Parts of what the budget on the other side prunes. */
const prunedShares = [1 / 3, 2 / 3];

/** Schedules of other budgets, and the one that removes as many in every block at this one. */
export interface Neighbours {
  /** Of the nearest budget. */
  readonly nearest: KeptNumbers;
  /** Of the one beyond it, if there is any. */
  readonly beyond?: KeptNumbers | undefined;
  /** Of the nearest one on the other side, if there is any. */
  readonly across?: KeptNumbers | undefined;
  readonly uniform: KeptNumbers;
}

/**
 * The best of these, all brought to the budget: the nearest schedule with as many tokens more or
 * fewer in every block, with more or fewer removed in the same proportion, parts of the way from
 * there to the uniform one, the line through the two nearest schedules, and where there is one on
 * the other side, the line to it, and that one with as many tokens more in every block. Where the
 * nearest one prunes nothing, only what comes from the other side prunes; but then the best of them
 * races against itself with parts of what the other side prunes.
 * @param look that decides; the races begin with the next one.
 */
export async function continuedSchedule(
  projection: Projection,
  images: ComparedImages,
  { nearest, beyond, across, uniform }: Neighbours,
  look: number,
): Promise<Found> {
  const numbers = numbersOf(projection, nearest);
  const mergesOnly = numbers.pruned.every((count) => count === 0);
  const stretched = stretch(projection, numbers);
  const end = mergesOnly ? withPruned(projection, uniform, 0) : uniform;
  const best = await bestAtLook(
    images,
    [
      stretched,
      project(projection, numbers),
      ...lineBetween(projection, stretched, end, towardsUniform),
      ...(beyond === undefined ? [] : [lineAt(projection, nearest, beyond)]),
      ...(across === undefined
        ? []
        : [lineAt(projection, nearest, across), project(projection, numbersOf(projection, across))]),
    ],
    look,
  );
  return across === undefined ? best : prunedAs(projection, images, best, across, look + 1);
}

/**
 * The same tokens after every block, of them as many pruned as another schedule prunes or a part of
 * that, where that is better.
 */
async function prunedAs(
  projection: Projection,
  images: ComparedImages,
  start: Found,
  other: KeptNumbers,
  look: number,
): Promise<Found> {
  const { pruned } = numbersOf(projection, other);
  const { merged } = numbersOf(projection, start.kept);
  let best = start;
  for (const share of pruned.some((count) => count > 0) ? prunedShares : []) {
    const kept = project(projection, { merged, pruned: pruned.map((count) => Math.floor(share * count)) });
    if (JSON.stringify(kept) === JSON.stringify(best.kept)) continue;
    const race = await raceAgainst(images, kept, best.losses, look % images.looks.count);
    best = { ...(race.won ? { kept, losses: race.losses } : best), passes: best.passes + race.passes };
  }
  return best;
}

/** The line through two schedules, at the target's cost. */
export function lineAt(projection: Projection, nearest: KeptNumbers, other: KeptNumbers): KeptNumbers {
  const { cost, target } = projection;
  const [from, to] = [cost.value(nearest), cost.value(other)];
  const share = from === to ? 0 : (target - from) / (to - from);
  return lineBetween(projection, nearest, other, [share])[0] ?? nearest;
}
