/** What the checkpoint of a front's search holds. */
import * as v from 'valibot';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { readCheckpoint } from './checkpoint-file.ts';
import type { IdentifiedCheckpoint } from './checkpoint-file.ts';
import type { LearnerState } from './learners/learner.ts';
import type { LocalSearchState } from './local-search.ts';
import { countSchema, learnerSchema, localSearchSchema } from './search-checkpoint.ts';

/** A budget's schedule, found. */
export interface FoundPoint {
  readonly kept: KeptNumbers;
  readonly loss: number;
  /** Where its local search ended: the next budget's continues from there. */
  readonly localSearch: LocalSearchState;
}

/** Everything that the next step depends on. */
export interface FrontCheckpoint extends IdentifiedCheckpoint {
  /** Gradient steps done, of all budgets. */
  readonly step: number;
  /** Running mean of the loss. */
  readonly loss: number;
  /** State of the learner under the budget that its next step belongs to, while there is one. */
  readonly learner?: LearnerState;
  /** What gradients have learnt for the budgets that are through with their steps. */
  readonly learnt: readonly KeptNumbers[];
  /** Schedules of the budgets that are done. */
  readonly found: readonly FoundPoint[];
  /** Where the local search of the next one stands, once it runs. */
  readonly localSearch?: LocalSearchState;
}

const keptSchema = v.object({ pruneKept: v.array(v.number()), mergeKept: v.array(v.number()) });

const schema = v.object({
  identity: v.string(),
  step: countSchema,
  loss: v.number(),
  learner: v.optional(learnerSchema),
  learnt: v.array(keptSchema),
  found: v.array(v.object({ kept: keptSchema, loss: v.number(), localSearch: localSearchSchema })),
  localSearch: v.optional(localSearchSchema),
});

/**
 * Reads the checkpoint; `undefined` if there is none.
 * @throws {DiffrateError} if it is damaged or of another search.
 */
export async function readFrontCheckpoint(path: string, identity: string): Promise<FrontCheckpoint | undefined> {
  return readCheckpoint(path, identity, schema);
}
