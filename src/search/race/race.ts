/**
 * Two schedules race on the calibration images (Maron & Moore, "Hoeffding races", 1993, with paired
 * differences): images are run in parts, called looks, and the challenger is dropped at the first
 * of them at which it is not better.
 */
import { DiffrateError } from '../../errors.ts';
import type { Looks } from '../../execution/looks.ts';
import type { KeptNumbers } from '../../reduction/schedule.ts';

/** One schedule's losses, computed as far as they are needed (`Candidate`). */
export interface ScheduleLosses {
  /**
   * Per image, in the objective's unit; those of looks that have not been run yet are of no
   * meaning.
   */
  readonly losses: Float64Array;
  /**
   * What that counts as, in passes of an image through the whole network; where leading blocks are
   * shared, the share of the FLOPs after them.
   */
  readonly passes: number;
  /** Computes the losses of one look's images. */
  run(look: number): Promise<void>;
  /**
   * Makes this the schedule that others are expected to begin like: what it has left between its
   * blocks replaces that of the one before.
   */
  lead(): void;
}

/** What schedules are compared on (`EvaluatedImages`). */
export interface ComparedImages {
  readonly looks: Looks;
  /** A schedule with these kept numbers, nothing of it computed yet. */
  candidate(kept: KeptNumbers): ScheduleLosses;
}

/** How a race ended. */
export interface RaceResult {
  readonly won: boolean;
  /** Image passes that it took (`ScheduleLosses`). */
  readonly passes: number;
  /** Losses of the winner. */
  readonly losses: Float64Array;
}

/**
 * Losses of all images under a schedule, which then leads.
 * @throws {DiffrateError} where one is not a number: no other schedule could be compared with it.
 */
export async function lossesOf(
  images: ComparedImages,
  kept: KeptNumbers,
): Promise<{ losses: Float64Array; passes: number }> {
  const candidate = images.candidate(kept);
  for (const look of images.looks.from(0)) await candidate.run(look);
  requireFinite(candidate.losses);
  candidate.lead();
  return { losses: candidate.losses, passes: candidate.passes };
}

/**
 * Compares look after look; the challenger has to be ahead each time, on all images so far. Where
 * it wins, it leads.
 * @param first look to begin with: where few images decide against most challengers, they should
 *   not always be the same ones.
 */
export async function raceAgainst(
  images: ComparedImages,
  kept: KeptNumbers,
  losses: Float64Array,
  first = 0,
): Promise<RaceResult> {
  const { looks } = images;
  const candidate = images.candidate(kept);
  let behind = 0;
  for (const look of looks.from(first)) {
    await candidate.run(look);
    behind += looks.sum(candidate.losses, look) - looks.sum(losses, look);
    // A loss that is no number never wins.
    if (!(behind < 0)) return { won: false, passes: candidate.passes, losses };
  }
  candidate.lead();
  return { won: true, passes: candidate.passes, losses: candidate.losses };
}

/** A schedule that has run on all images. */
export interface Entrant {
  readonly kept: KeptNumbers;
  /** Per image, in the objective's unit. */
  readonly losses: Float64Array;
}

function requireFinite(losses: Float64Array): void {
  const wrong = losses.findIndex((loss) => !Number.isFinite(loss));
  if (wrong === -1) return;
  throw new DiffrateError(
    `The compressed network's loss on a calibration image is ${losses[wrong]}, no number; check that the weights belong to the model and hold no infinities.`,
  );
}

/** One schedule after the other races against the best so far, which leads. */
export class Championship {
  /** Image passes that it took. */
  passes = 0;
  readonly #images: ComparedImages;
  #best: Entrant | undefined;

  constructor(images: ComparedImages) {
    this.#images = images;
  }

  /** The best of those that have entered. */
  get best(): Entrant {
    if (this.#best === undefined) throw new DiffrateError('No schedule has entered the race.');
    return this.#best;
  }

  async enter(kept: KeptNumbers): Promise<void> {
    if (this.#best === undefined) {
      const { losses, passes } = await lossesOf(this.#images, kept);
      this.#best = { kept, losses };
      this.passes += passes;
      return;
    }
    const { won, passes, losses } = await raceAgainst(this.#images, kept, this.#best.losses);
    this.passes += passes;
    if (won) this.#best = { kept, losses };
  }
}

/** A schedule that leads the images, and the image passes that it took to find. */
export interface Found extends Entrant {
  readonly passes: number;
}

/** The best of these at one look, the only one of them that runs on. */
export async function bestAtLook(
  images: ComparedImages,
  schedules: readonly [KeptNumbers, ...KeptNumbers[]],
  look: number,
): Promise<Found> {
  const { looks } = images;
  let passes = 0;
  const ran = async (kept: KeptNumbers): Promise<{ kept: KeptNumbers; candidate: ScheduleLosses; loss: number }> => {
    const candidate = images.candidate(kept);
    await candidate.run(look);
    passes += candidate.passes;
    return { kept, candidate, loss: looks.sum(candidate.losses, look) };
  };
  const [first, ...others] = schedules;
  let best = await ran(first);
  for (const kept of others) {
    const other = await ran(kept);
    if (other.loss < best.loss || Number.isNaN(best.loss)) best = other;
  }
  const { kept, candidate } = best;
  passes -= candidate.passes;
  for (const other of looks.from(look).slice(1)) await candidate.run(other);
  requireFinite(candidate.losses);
  candidate.lead();
  return { kept, losses: candidate.losses, passes: passes + candidate.passes };
}

/** Mean of losses. */
export function meanOf(values: Iterable<number>): number {
  let [sum, count] = [0, 0];
  for (const value of values) {
    sum += value;
    count += 1;
  }
  return sum / count;
}
