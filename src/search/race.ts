/**
 * Two schedules race on the calibration images (Maron & Moore, "Hoeffding races", 1993, with paired differences): the challenger is
 * dropped at the first look at which it is not better.
 */
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
  while (candidate.done < images.size) await candidate.runTo(Math.min(images.size, candidate.done + lookEvery));
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

/** Mean of losses in nats. */
export const meanOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
