/**
 * Two schedules race on the calibration images (Maron & Moore, "Hoeffding races", 1993, with paired differences): the challenger is
 * dropped at the first look at which it is not better.
 */
import { DiffrateError } from '../errors.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';

/** One schedule's losses, computed as far as they are needed (`Candidate`). */
export interface ScheduleLosses {
  /** Per image in nats, up to `done`. */
  readonly losses: Float64Array;
  readonly done: number;
  /** What that took, in passes of an image through the whole network; where leading blocks were known, the share of the FLOPs that ran. */
  readonly passes: number;
  /** Computes the losses of the images up to `end`. */
  runTo(end: number): Promise<void>;
  /** Mean loss of the images done. */
  mean(): number;
  /** Makes this the schedule that others are expected to begin like: what it has left between its blocks replaces that of the one before. */
  lead(): void;
}

/** What schedules are compared on (`CalibrationSet`). */
export interface ComparedImages {
  readonly size: number;
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

/** Images between two looks at a race. */
export const imagesPerLook = (images: number, looks: number): number => Math.ceil(images / looks);

/** Losses of all images under a schedule, which then leads, run in the parts of a race: a batch of another size may round otherwise. */
export async function lossesOf(
  images: ComparedImages,
  kept: KeptNumbers,
  lookEvery: number,
): Promise<{ losses: Float64Array; passes: number }> {
  const candidate = images.candidate(kept);
  await runToEnd(candidate, images.size, lookEvery);
  candidate.lead();
  return { losses: candidate.losses, passes: candidate.passes };
}

/** Looks at the paired difference every so many images; the challenger has to be ahead each time. Where it wins, it leads. */
export async function raceAgainst(
  images: ComparedImages,
  kept: KeptNumbers,
  losses: Float64Array,
  lookEvery: number,
): Promise<RaceResult> {
  const candidate = images.candidate(kept);
  while (candidate.done < images.size) {
    await candidate.runTo(Math.min(images.size, candidate.done + lookEvery));
    if (candidate.mean() >= meanOf(losses.subarray(0, candidate.done)))
      return { won: false, passes: candidate.passes, losses };
  }
  candidate.lead();
  return { won: true, passes: candidate.passes, losses: candidate.losses };
}

/** A schedule that has run on all images. */
export interface Entrant {
  readonly kept: KeptNumbers;
  /** Per image, in nats. */
  readonly losses: Float64Array;
}

/** One schedule after the other races against the best so far, which leads. */
export class Championship {
  /** Image passes that it took. */
  passes = 0;
  readonly #images: ComparedImages;
  readonly #lookEvery: number;
  #best: Entrant | undefined;

  constructor(images: ComparedImages, lookEvery: number) {
    this.#images = images;
    this.#lookEvery = lookEvery;
  }

  /** The best of those that have entered. */
  get best(): Entrant {
    if (this.#best === undefined) throw new DiffrateError('No schedule has entered the race.');
    return this.#best;
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

/** A schedule that leads the images, and the image passes that it took to find. */
export interface Found extends Entrant {
  readonly passes: number;
}

/** The best of these at the first look, the only one of them that runs on. */
export async function bestAtFirstLook(
  images: ComparedImages,
  schedules: readonly [KeptNumbers, ...KeptNumbers[]],
  lookEvery: number,
): Promise<Found> {
  let passes = 0;
  const firstLook = async (kept: KeptNumbers): Promise<{ kept: KeptNumbers; candidate: ScheduleLosses }> => {
    const candidate = images.candidate(kept);
    await candidate.runTo(Math.min(images.size, lookEvery));
    passes += candidate.passes;
    return { kept, candidate };
  };
  const [first, ...others] = schedules;
  let best = await firstLook(first);
  for (const kept of others) {
    const other = await firstLook(kept);
    if (other.candidate.mean() < best.candidate.mean()) best = other;
  }
  const { kept, candidate } = best;
  passes -= candidate.passes;
  await runToEnd(candidate, images.size, lookEvery);
  candidate.lead();
  return { kept, losses: candidate.losses, passes: passes + candidate.passes };
}

async function runToEnd(candidate: ScheduleLosses, size: number, lookEvery: number): Promise<void> {
  while (candidate.done < size) await candidate.runTo(Math.min(size, candidate.done + lookEvery));
}

/** Mean of losses in nats. */
export const meanOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
