/**
 * Where the local search of a front's budget starts: on the path that the schedules of neighbouring budgets lie on, found as path following
 * finds its next point (predictor and corrector: Allgower & Georg, "Numerical continuation methods", 1990). The predictions race, and the
 * local search corrects the best of them.
 */
import type { KeptNumbers } from '../reduction/schedule.ts';
import { numbersOf, project, stretch } from './projection.ts';
import type { Projection } from './projection.ts';
import { bestAtLook } from './race.ts';
import type { ComparedImages, Found } from './race.ts';
import { lineBetween, withPruned } from './starting-schedule.ts';

/** Parts of the way to the uniform rate that the prediction by proportion is followed: with less removed, what is right is more lopsided. */
const towardsUniform = [1 / 3, 2 / 3];

/** Schedules of other budgets, and the uniform rate at this one. */
export interface Neighbours {
  /** Of the nearest budget. */
  readonly nearest: KeptNumbers;
  /** Of the one beyond it, if there is any. */
  readonly beyond?: KeptNumbers | undefined;
  readonly uniform: KeptNumbers;
}

/**
 * The best of these, all brought to the budget: the nearest schedule with as many tokens more or fewer in every block, with more or fewer
 * removed in the same proportion, parts of the way from there to the uniform rate, and the line through the two nearest schedules. Where the
 * nearest one prunes nothing, nothing is pruned here.
 * @param look that decides.
 */
export async function continuedSchedule(
  projection: Projection,
  images: ComparedImages,
  { nearest, beyond, uniform }: Neighbours,
  look: number,
): Promise<Found> {
  const numbers = numbersOf(projection, nearest);
  const mergesOnly = numbers.pruned.every((count) => count === 0);
  const stretched = stretch(projection, numbers);
  const end = mergesOnly ? withPruned(projection, uniform, 0) : uniform;
  return bestAtLook(
    images,
    [
      stretched,
      project(projection, numbers),
      ...lineBetween(projection, stretched, end, towardsUniform),
      ...(beyond === undefined ? [] : [extrapolate(projection, nearest, beyond)]),
    ],
    look,
  );
}

/** The line through two schedules, at the target's cost. */
function extrapolate(projection: Projection, nearest: KeptNumbers, beyond: KeptNumbers): KeptNumbers {
  const { cost, target } = projection;
  const [near, far] = [cost.value(nearest), cost.value(beyond)];
  const share = near === far ? 0 : (target - near) / (near - far);
  return lineBetween(projection, nearest, beyond, [-share])[0] ?? nearest;
}
