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
  /** Computes the losses of the images up to `end`. */
  runTo(end: number): Promise<void>;
  /** Mean loss of the images done. */
  mean(): number;
  dispose(): Promise<void>;
}

/** What schedules are compared on (`CalibrationSet`). */
export interface ComparedImages {
  readonly size: number;
  /** A network with these kept numbers; dispose it. */
  candidate(kept: KeptNumbers): Promise<ScheduleLosses>;
}

/** Losses of the images under a schedule, run in the parts of a race: a batch of another size may round otherwise. */
export async function lossesOf(images: ComparedImages, kept: KeptNumbers, lookEvery: number): Promise<Float64Array> {
  const candidate = await images.candidate(kept);
  try {
    while (candidate.done < images.size) await candidate.runTo(Math.min(images.size, candidate.done + lookEvery));
    return candidate.losses;
  } finally {
    await candidate.dispose();
  }
}

/** Looks at the paired difference every so many images; the challenger has to be ahead each time. */
export async function raceAgainst(
  images: ComparedImages,
  kept: KeptNumbers,
  losses: Float64Array,
  lookEvery: number,
): Promise<{ won: boolean; done: number; losses: Float64Array }> {
  const candidate = await images.candidate(kept);
  try {
    while (candidate.done < images.size) {
      await candidate.runTo(Math.min(images.size, candidate.done + lookEvery));
      if (candidate.mean() >= meanOf(losses.subarray(0, candidate.done)))
        return { won: false, done: candidate.done, losses };
    }
    return { won: true, done: candidate.done, losses: candidate.losses };
  } finally {
    await candidate.dispose();
  }
}

/** Mean of losses in nats. */
export const meanOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
