/**
 * Times several jobs in turns, one run of each per round, so that whatever else the machine does
 * meets all of them alike. Times of jobs that were measured one after the other cannot be compared
 * on a machine that others use. The median is reported, because a busy machine only ever makes some
 * runs slower.
 */
import { median } from 'd3-array';

/** How long to measure. */
export interface AlternationOptions {
  /** Rounds that count, default 15. */
  readonly rounds?: number;
  /** Rounds before them that do not count, default 3. */
  readonly warmUp?: number;
  /** Called after each round, warm-up included. */
  readonly onRound?: (done: number, of: number) => void;
}

/** What was measured of one job. */
export interface Timing {
  /** Median duration of one run in ms. */
  readonly milliseconds: number;
  /** Every duration that counted, in ms, in order. */
  readonly all: readonly number[];
}

/**
 * Runs every job once per round and gives the medians, in the order of the jobs. The order within a
 * round turns around each time, so that no job always runs behind the same other one.
 */
export async function timeAlternately(
  jobs: readonly (() => Promise<unknown>)[],
  options: AlternationOptions = {},
): Promise<Timing[]> {
  const { rounds = 15, warmUp = 3, onRound } = options;
  const durations = jobs.map((): number[] => []);
  const order = jobs.map((job, index) => ({ job, index }));
  for (let round = 0; round < warmUp + rounds; round++) {
    for (const { job, index } of order) {
      const start = performance.now();
      await job();
      if (round >= warmUp) durations[index]?.push(performance.now() - start);
    }
    order.reverse();
    onRound?.(round + 1, warmUp + rounds);
  }
  return durations.map((all) => ({ milliseconds: median(all) ?? NaN, all }));
}
