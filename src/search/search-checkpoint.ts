/** The state of a search on disk: a JSON file that a killed search continues from, written beside and renamed. */
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import * as v from 'valibot';
import { DiffrateError, messageOf } from '../errors.ts';
import type { LearnerState } from './learners/learner.ts';
import type { LocalSearchState } from './local-search.ts';
import type { SearchHistoryEntry } from './search-options.ts';

/** Everything that the next step depends on. */
export interface SearchCheckpoint {
  /** What was asked for; a search of anything else must not continue from here. */
  readonly identity: string;
  /** Optimizer steps done. */
  readonly step: number;
  /** Running mean of the loss. */
  readonly loss: number;
  readonly learner: LearnerState;
  /** Where the local search stands, once it runs. */
  readonly localSearch?: LocalSearchState;
  readonly history: readonly SearchHistoryEntry[];
}

const schema = v.object({
  identity: v.string(),
  step: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  loss: v.number(),
  learner: v.record(v.string(), v.union([v.number(), v.array(v.number())])),
  localSearch: v.optional(
    v.object({
      merged: v.array(v.number()),
      pruned: v.array(v.number()),
      step: v.number(),
      passes: v.number(),
      sweep: v.number(),
      moves: v.number(),
      accepted: v.number(),
      tried: v.array(v.string()),
    }),
  ),
  history: v.array(
    v.object({
      phase: v.picklist(['gradients', 'local search']),
      step: v.number(),
      loss: v.number(),
      gflops: v.number(),
    }),
  ),
});

/**
 * Writes a checkpoint; an older one stays whole until the new one is.
 * @throws {DiffrateError} if the file cannot be written.
 */
export async function writeCheckpoint(path: string, checkpoint: SearchCheckpoint): Promise<void> {
  const beside = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(beside, JSON.stringify(checkpoint));
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw new DiffrateError(
      `The search's checkpoint '${path}' cannot be written (${messageOf(error)}); choose a folder that is writable and has room.`,
    );
  }
}

/**
 * Reads a checkpoint; `undefined` if there is none.
 * @throws {DiffrateError} if it is damaged or of another search.
 */
export async function readCheckpointFile(path: string, identity: string): Promise<SearchCheckpoint | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new DiffrateError(
      `The search's checkpoint '${path}' cannot be read (${messageOf(error)}); start again without --resume.`,
    );
  }
  const parsed = v.safeParse(schema, parseJson(text));
  if (!parsed.success)
    throw new DiffrateError(`The search's checkpoint '${path}' is damaged; start again without --resume.`);
  if (parsed.output.identity !== identity) {
    throw new DiffrateError(
      `The checkpoint '${path}' belongs to another search (${parsed.output.identity}); start again without --resume, or with the same options.`,
    );
  }
  return parsed.output;
}

/** Removes the checkpoint of a finished search. */
export async function removeCheckpoint(path: string): Promise<void> {
  await rm(path, { force: true });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
