/**
 * Where the local search starts: a line search from the learnt schedule back to the one that
 * learning began with, the same number of tokens in every block, and how much of what it prunes
 * would better be merged. Gradients of the masked network lead astray where images are few, and
 * they see a merge only through its first order; what compressed networks answer decides how far
 * to follow them.
 */
import type { KeptNumbers } from '../reduction/schedule.ts';
import { startLocalSearch } from './local-search.ts';
import type { LocalSearchContext, LocalSearchState } from './local-search.ts';
import type { RefinementRecipe } from './presets.ts';
import { numbersOf, project } from './projection.ts';
import type { Projection } from './projection.ts';
import { Championship } from './race/race.ts';
import type { ComparedImages, Entrant, Found } from './race/race.ts';

/** Parts of the way from the first schedule to the learnt one that race against it. */
const shares = [0.75, 0.5, 0.25, 0];

/** The two ends of the line, at one cost. */
export interface StartingEnds {
  /** What gradients have learnt. */
  readonly learnt: KeptNumbers;
  /** The same number of tokens in every block. */
  readonly uniform: KeptNumbers;
}

/** Where a local search starts, and the schedule there, which has run on all images. */
export interface KnownStart {
  readonly begin: LocalSearchState;
  readonly known: Entrant;
}

/**
 * The start of a local search that follows gradients.
 * @param onRace after each race; may stop the search by throwing.
 */
export async function startAfterGradients(
  context: LocalSearchContext,
  images: ComparedImages,
  ends: StartingEnds,
  onRace: () => Promise<void>,
): Promise<KnownStart> {
  const { recipe } = context;
  const known = await startingSchedule(context, images, ends, recipe, onRace);
  return { begin: startLocalSearch(context, known.kept, known.passes), known };
}

/**
 * The best schedule on the line, and between pruning and merging.
 * @param recipe `prunedShares`: parts of the pruned tokens that race against pruning all of them.
 * @param onRace after each race.
 */
export async function startingSchedule(
  projection: Projection,
  images: ComparedImages,
  { learnt, uniform }: StartingEnds,
  { prunedShares }: Pick<RefinementRecipe, 'prunedShares'>,
  onRace: () => Promise<void> = () => Promise.resolve(),
): Promise<Found> {
  const championship = new Championship(images);
  const enter = async (entrant: KeptNumbers): Promise<void> => {
    await championship.enter(entrant);
    await onRace();
  };
  await enter(project(projection, numbersOf(projection, learnt)));
  for (const challenger of lineBetween(projection, uniform, learnt, shares)) await enter(challenger);
  const { kept } = championship.best;
  if (numbersOf(projection, kept).pruned.some((count) => count > 0))
    for (const share of prunedShares) await enter(withPruned(projection, kept, share));
  return { ...championship.best, passes: championship.passes };
}

/**
 * Schedules at the target on the line from one to another.
 * @param parts of the way: 0 is `start`, 1 is `end`, and what is below 0 is beyond the start.
 */
export function lineBetween(
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
      pruned: between(from.pruned, to.pruned, share),
    }),
  );
}

/** The same numbers of tokens after every block, of the pruned ones only a share. */
export function withPruned(projection: Projection, kept: KeptNumbers, share: number): KeptNumbers {
  const { merged, pruned } = numbersOf(projection, kept);
  return project(projection, { merged, pruned: pruned.map((count) => Math.floor(share * count)) });
}
