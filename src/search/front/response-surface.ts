/**
 * A step down the response surface of a schedule (Box & Wilson, "On the experimental attainment of
 * optimum conditions", 1951).
 *
 * Kept numbers are moved together along a few smooth directions over the depth of the network, the
 * first cosines, each up and down. Parabolas through the losses say how far to go along all of them
 * at once, and that schedule races against the one before. Moves of single numbers change the loss
 * less than its sampling error on some hundred images; these change it by a multiple of that, and
 * are too few to fit the images instead of the network.
 */
import type { KeptNumbers } from '../../reduction/schedule.ts';
import { tokenCount } from '../../reduction/token-layout.ts';
import type { SurfaceRecipe } from '../presets.ts';
import { numbersOf, project } from '../projection.ts';
import type { Projection } from '../projection.ts';
import { raceAgainst } from '../race/race.ts';
import type { ComparedImages, Entrant, Found } from '../race/race.ts';

/** Parts of the step that race, the next one where one does not win. */
const parts = [1, 0.5];

/** Where a step starts. */
export interface StepStart {
  /** Runs before, and leads the images. */
  readonly known: Entrant;
  /** With which measuring begins; the race begins with the look after those. */
  readonly look: number;
  readonly recipe: SurfaceRecipe;
}

/**
 * The schedule after a step, or the same one where none is better on all images.
 * @param onMeasured after each direction; may stop the search by throwing.
 */
export async function surfaceStep(
  projection: Projection,
  images: ComparedImages,
  { known, look, recipe }: StepStart,
  onMeasured: () => Promise<void>,
): Promise<Found> {
  const { looks } = images;
  const wanted = Math.min(looks.count, Math.ceil(recipe.images / looks.perLook));
  const measured = looks.from(look % looks.count).slice(0, wanted);
  const { merged, pruned } = numbersOf(projection, known.kept);
  const tokens = tokenCount(projection.space.layout);
  const first = merged.findIndex((count) => count < tokens);
  if (first === -1) return { ...known, passes: 0 };
  const reach = (recipe.reach * merged.reduce((sum, count) => sum + tokens - count, 0)) / (merged.length - first);
  const directions = cosines(merged.length - first, recipe.directions);
  // Blocks that remove nothing still remove nothing, wherever the cost shifts the others.
  const moved = (along: readonly number[]): KeptNumbers =>
    project(projection, {
      pruned,
      merged: merged.map((count, index) =>
        index < first
          ? 2 * tokens
          : count + reach * along.reduce((sum, share, at) => sum + share * (directions[at]?.[index - first] ?? 0), 0),
      ),
    });
  let passes = 0;
  const sum = (losses: Float64Array): number => measured.reduce((all, each) => all + looks.sum(losses, each), 0);
  const change = async (along: readonly number[]): Promise<number> => {
    const candidate = images.candidate(moved(along));
    for (const each of measured) await candidate.run(each);
    passes += candidate.passes;
    return sum(candidate.losses) - sum(known.losses);
  };
  const step: number[] = [];
  for (const position of directions.keys()) {
    const along = (share: number): number[] => directions.map((_, index) => (index === position ? share : 0));
    step.push(lowest(await change(along(1)), await change(along(-1))));
    await onMeasured();
  }
  for (const part of parts) {
    const kept = moved(step.map((share) => part * share));
    const race = await raceAgainst(images, kept, known.losses, (look + wanted) % looks.count);
    passes += race.passes;
    if (race.won) return { kept, losses: race.losses, passes };
  }
  return { ...known, passes };
}

/** Where the parabola through 0 at 0 and these at 1 and −1 is lowest, never further than either. */
export function lowest(up: number, down: number): number {
  const slope = (up - down) / 2;
  const curvature = Math.max((up + down) / 2, Math.abs(slope) / 2);
  return curvature === 0 ? 0 : -slope / (2 * curvature);
}

/** The first cosines of so many equidistant values, without the constant one. */
function cosines(length: number, wanted: number): number[][] {
  return Array.from({ length: Math.min(wanted, length - 1) }, (_, frequency) =>
    Array.from({ length }, (_unused, index) => Math.cos((Math.PI * (frequency + 1) * (index + 0.5)) / length)),
  );
}
