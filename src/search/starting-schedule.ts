/**
 * Where the local search starts: a line search from the learnt schedule back to the uniform rate that learning began with. Gradients of the
 * masked network lead astray where images are few; what compressed networks answer decides how far to follow them.
 */
import type { KeptNumbers } from '../reduction/schedule.ts';
import { numbersOf, project } from './projection.ts';
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
  const [from, to] = [numbersOf(projection, uniform), numbersOf(projection, learnt)];
  const between = (a: readonly number[], b: readonly number[], share: number): number[] =>
    a.map((value, index) => value + share * ((b[index] ?? value) - value));
  let best = project(projection, to);
  let losses = await lossesOf(images, best, lookEvery);
  let passes = images.size;
  for (const share of shares) {
    const challenger = project(projection, {
      merged: between(from.merged, to.merged, share),
      pruned: between(from.pruned, to.pruned, share).map(Math.round),
    });
    const race = await raceAgainst(images, challenger, losses, lookEvery);
    passes += race.done;
    if (race.won) [best, losses] = [challenger, race.losses];
  }
  return { kept: best, passes };
}
