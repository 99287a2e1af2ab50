/** Checkpoints of searches and comparisons on disk: JSON files that killed work continues from, written beside and renamed. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import * as v from 'valibot';
import { DiffrateError, messageOf } from '../errors.ts';
import { writeWholeFile } from '../files/whole-file.ts';

/** Any work's checkpoint. */
export interface IdentifiedCheckpoint {
  /** What was asked for; work on anything else must not continue from here. */
  readonly identity: string;
}

/**
 * Writes a checkpoint, in a folder that is made where it is missing; an older one stays whole until the new one is.
 * @param work whose it is, for sentences.
 * @throws {DiffrateError} if the file cannot be written.
 */
export async function writeCheckpoint<Checkpoint extends IdentifiedCheckpoint>(
  path: string,
  checkpoint: Checkpoint,
  work: 'search' | 'comparison' = 'search',
): Promise<void> {
  try {
    await writeWholeFile(path, (beside) => writeFile(beside, JSON.stringify(checkpoint)));
  } catch (error) {
    throw new DiffrateError(
      `The ${work}'s checkpoint '${path}' cannot be written (${messageOf(error)}); choose a folder that is writable and has room.`,
    );
  }
}

/**
 * Reads a checkpoint; `undefined` if there is none.
 * @param schema of the kind of work that is to continue.
 * @param work whose it is, for sentences.
 * @throws {DiffrateError} if it is damaged or of other work.
 */
export async function readCheckpoint<Checkpoint extends IdentifiedCheckpoint>(
  path: string,
  identity: string,
  schema: v.GenericSchema<unknown, Checkpoint>,
  work: 'search' | 'comparison' = 'search',
): Promise<Checkpoint | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new DiffrateError(
      `The ${work}'s checkpoint '${path}' cannot be read (${messageOf(error)}); start again without --resume.`,
    );
  }
  const parsed = v.safeParse(schema, parseJson(text));
  if (!parsed.success)
    throw new DiffrateError(`The ${work}'s checkpoint '${path}' is damaged; start again without --resume.`);
  if (parsed.output.identity !== identity) {
    throw new DiffrateError(
      `The checkpoint '${path}' belongs to another ${work} (${parsed.output.identity}); start again without --resume, or with the same options.`,
    );
  }
  return parsed.output;
}

/** Removes the checkpoint of work that is done and whose result is in its place; none is fine, too. */
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
