/** What the checkpoint of a front's search holds. */
import * as v from 'valibot';
import type { KeptNumbers } from '../../reduction/schedule.ts';
import { identitySchema } from '../checkpoint.ts';
import type { CheckpointKind, IdentifiedCheckpoint, Identity } from '../checkpoint.ts';
import type { LearnerState } from '../learners/learner.ts';
import type { LocalSearchState } from '../local-search.ts';
import { countSchema, learnerSchema, localSearchSchema, secondsSchema } from '../search-checkpoint.ts';

/** A budget's schedule, found. */
export interface FoundPoint {
  readonly ratio: number;
  readonly kept: KeptNumbers;
  /** Of each calibration image, in nats. */
  readonly losses: readonly number[];
  /** Where its local search ended: that of a budget next to it continues from there. */
  readonly localSearch: LocalSearchState;
}

/** Everything that the next step depends on. */
export interface FrontCheckpoint extends IdentifiedCheckpoint {
  readonly identity: Identity;
  /** Gradient steps done, of all budgets together. */
  readonly step: number;
  /** Running mean of the loss. */
  readonly loss: number;
  /** States of the learners, in the order of their turns. */
  readonly learners: readonly LearnerState[];
  /** Schedules of the budgets that are done, in the order of their turns. */
  readonly found: readonly FoundPoint[];
  /** Where the local search of the next one stands, once it runs. */
  readonly localSearch?: LocalSearchState;
  /** That the search took until then, in all processes. */
  readonly seconds: number;
  /** Whether all is done. */
  readonly done?: boolean;
}

const keptSchema = v.object({ pruneKept: v.array(v.number()), mergeKept: v.array(v.number()) });

const schema = v.object({
  identity: identitySchema,
  step: countSchema,
  loss: v.number(),
  learners: v.array(learnerSchema),
  found: v.array(
    v.object({ ratio: v.number(), kept: keptSchema, losses: v.array(v.number()), localSearch: localSearchSchema }),
  ),
  localSearch: v.optional(localSearchSchema),
  seconds: secondsSchema,
  done: v.optional(v.boolean()),
});

/** How it is read. */
export const frontCheckpoint: CheckpointKind<FrontCheckpoint> = { schema, work: 'search' };
