/** What the search of a front is asked for, what it says meanwhile, and what it gives. */
import type { Schedule } from '../../reduction/schedule.ts';
import type { PlannedOptions } from '../plan.ts';
import type { SearchOutcome, SearchProgress } from '../search-options.ts';

/**
 * Where a front begins and ends, as shares of the uncompressed network's cost, and how many budgets
 * it has.
 */
export interface FrontRange {
  readonly from: number;
  readonly to: number;
  readonly points: number;
}

/** How to search a front: as one schedule is searched, but for a range of budgets. */
export interface FrontOptions extends PlannedOptions {
  readonly front: FrontRange;
}

/**
 * How far the search of a front is; steps, image passes and time left are of all budgets together.
 */
export interface FrontProgress extends SearchProgress {
  /** Budget that is worked on, as a share of the uncompressed network's cost. */
  readonly ratio: number;
  /** Which one in the order of the search, from 1, and how many there are. */
  readonly point: number;
  readonly points: number;
}

/** One schedule of a front. */
export interface FrontPoint {
  /** Budget as a share of the uncompressed network's cost. */
  readonly ratio: number;
  readonly schedule: Schedule;
  /** Mean loss on the calibration images; with a teacher the distance from it. */
  readonly loss: number;
}

/** What the search of a front gives. */
export interface FrontOutcome extends Omit<SearchOutcome, 'schedule' | 'history' | 'blockOverhead'> {
  /** The dearest first. */
  readonly points: readonly FrontPoint[];
  /** Cost of the uncompressed network, in `unit`. */
  readonly baseline: number;
  /** Images that went through compressed networks, in all. */
  readonly passes: number;
}
