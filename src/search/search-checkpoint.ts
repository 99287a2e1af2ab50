/** What the checkpoint of a search for one schedule holds. */
import * as v from 'valibot';
import { identitySchema } from './checkpoint.ts';
import type { CheckpointKind, IdentifiedCheckpoint, Identity } from './checkpoint.ts';
import type { LearnerState } from './learners/learner.ts';
import type { LocalSearchState } from './local-search.ts';
import type { SearchHistoryEntry } from './search-options.ts';

/** Everything that the next step depends on. */
export interface SearchCheckpoint extends IdentifiedCheckpoint {
  readonly identity: Identity;
  /** Optimizer steps done. */
  readonly step: number;
  /** Running mean of the loss. */
  readonly loss: number;
  readonly learner: LearnerState;
  /** Where the local search stands, once it runs. */
  readonly localSearch?: LocalSearchState;
  readonly history: readonly SearchHistoryEntry[];
  /** That the search took until then, in all processes. */
  readonly seconds: number;
}

/** A count in a checkpoint. */
export const countSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** A duration in a checkpoint, in s. */
export const secondsSchema = v.pipe(v.number(), v.minValue(0));

/** A learner's state. */
export const learnerSchema = v.record(v.string(), v.union([v.number(), v.array(v.number())]));

/** A local search's state. */
export const localSearchSchema = v.object({
  merged: v.array(v.number()),
  pruned: v.array(v.number()),
  step: v.pipe(v.number(), v.minValue(0)),
  passes: v.pipe(v.number(), v.minValue(0)),
  sweep: countSchema,
  moves: countSchema,
  accepted: countSchema,
  tried: v.array(v.string()),
  blocks: v.optional(v.array(countSchema)),
});

const schema = v.object({
  identity: identitySchema,
  step: countSchema,
  loss: v.number(),
  learner: learnerSchema,
  localSearch: v.optional(localSearchSchema),
  seconds: secondsSchema,
  history: v.array(
    v.object({
      phase: v.picklist(['gradients', 'local search']),
      step: v.number(),
      loss: v.number(),
      cost: v.number(),
    }),
  ),
});

/** How it is read. */
export const searchCheckpoint: CheckpointKind<SearchCheckpoint> = { schema, work: 'search' };
