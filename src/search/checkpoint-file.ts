/** Checkpoints of searches and comparisons on disk: JSON files that killed work continues from, written beside and renamed. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import * as v from 'valibot';
import { DiffrateError, messageOf } from '../errors.ts';
import { writeWholeFile } from '../files/whole-file.ts';

/** What work was asked for, by the name of each part; work of which one differs must not be continued. */
export type Identity = Readonly<Record<string, string>>;

/** Any work's checkpoint. */
export interface IdentifiedCheckpoint {
  /** What was asked for: in one text, or part by part. */
  readonly identity: string | Identity;
}

/** An identity of parts. */
export const identitySchema = v.record(v.string(), v.string());

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
  identity: Checkpoint['identity'],
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
  const json = parseJson(text);
  if (typeof identity !== 'string' && isOfOneText(json)) {
    throw new DiffrateError(
      `The ${work}'s checkpoint '${path}' is of an earlier version, which cannot be continued: remove it and start again.`,
    );
  }
  const parsed = v.safeParse(schema, json);
  if (!parsed.success)
    throw new DiffrateError(`The ${work}'s checkpoint '${path}' is damaged; start again without --resume.`);
  const other = differenceOf(parsed.output.identity, identity);
  if (other !== undefined) {
    throw new DiffrateError(
      `The checkpoint '${path}' belongs to another ${work} (${other}); start again without --resume, or with the same options.`,
    );
  }
  return parsed.output;
}

/** Whether work was asked for in one text, as searches were before they named the parts. */
function isOfOneText(json: unknown): boolean {
  return typeof json === 'object' && json !== null && 'identity' in json && typeof json.identity === 'string';
}

/** In what a checkpoint's work differs from that which is to continue, in words; `undefined` where it is the same. */
function differenceOf(found: string | Identity, wanted: string | Identity): string | undefined {
  if (typeof found === 'string' || typeof wanted === 'string') return found === wanted ? undefined : String(found);
  const names = [...new Set([...Object.keys(wanted), ...Object.keys(found)])];
  const different = names.filter((name) => found[name] !== wanted[name]);
  if (different.length === 0) return undefined;
  return different.map((name) => `${name}: ${found[name] ?? 'none'} instead of ${wanted[name] ?? 'none'}`).join(', ');
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
