/**
 * Where the local search starts: a line search from the learnt schedule back to the uniform rate that learning began with. Gradients of the
 * masked network lead astray where images are few; what compressed networks answer decides how far to follow them.
 */
import type { KeptNumbers } from '../reduction/schedule.ts';
import { numbersOf, project, stretch } from './projection.ts';
import type { Projection } from './projection.ts';
import { lossesOf, raceAgainst } from './race.ts';
import type { ComparedImages } from './race.ts';

/** Parts of the way from the uniform rate to the learnt schedule that race against it. */
const shares = [0.75, 0.5, 0.25, 0];

/**
 * The best schedule on the line.
 * @param lookEvery images between two looks of a race.
 * @returns the schedule, and how many image passes it took to find.
 */
export async function startingSchedule(
  projection: Projection,
  images: ComparedImages,
  learnt: KeptNumbers,
  uniform: KeptNumbers,
  lookEvery: number,
): Promise<{ kept: KeptNumbers; passes: number }> {
  const line = lineBetween(projection, uniform, learnt, shares);
  return bestSchedule(images, project(projection, numbersOf(projection, learnt)), line, lookEvery);
}

/**
 * Where the local search of a front's budget starts: from the schedule of the budget before. It is brought down to this budget in two
 * ways, by as many tokens in every block and in proportion to what each removes, and the better one is followed towards what was learnt here.
 */
export async function continuedSchedule(
  projection: Projection,
  images: ComparedImages,
  learnt: KeptNumbers,
  former: KeptNumbers,
  lookEvery: number,
): Promise<{ kept: KeptNumbers; passes: number }> {
  const numbers = numbersOf(projection, former);
  const shifted = project(projection, numbers);
  const line = lineBetween(
    projection,
    shifted,
    learnt,
    shares.map((share) => 1 - share),
  );
  return bestSchedule(images, shifted, [stretch(projection, numbers), ...line], lookEvery);
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

/** One after the other races against the best so far. */
async function bestSchedule(
  images: ComparedImages,
  first: KeptNumbers,
  challengers: readonly KeptNumbers[],
  lookEvery: number,
): Promise<{ kept: KeptNumbers; passes: number }> {
  let best = first;
  let losses = await lossesOf(images, best, lookEvery);
  let passes = images.size;
  for (const challenger of challengers) {
    const race = await raceAgainst(images, challenger, losses, lookEvery);
    passes += race.done;
    if (race.won) [best, losses] = [challenger, race.losses];
  }
  return { kept: best, passes };
}
