/**
 * Checkpoints of searches and comparisons: JSON in a `ProgressStore`, from which work that was
 * stopped continues. Each says what work it belongs to, part by part.
 */
import * as v from 'valibot';
import { DiffrateError, messageOf, shortened } from '../errors.ts';
import type { ProgressStore } from '../files/progress-store.ts';

/**
 * What work was asked for, by the name of each part; work of which one differs must not be
 * continued.
 */
export type Identity = Readonly<Record<string, string>>;

/** Any work's checkpoint. */
export interface IdentifiedCheckpoint {
  readonly identity: Identity;
}

/** An identity of parts. */
export const identitySchema = v.record(v.string(), v.string());

/** What sentences call the work. */
export type Work = 'search' | 'comparison' | 'correction';

/** Where progress is kept, and what to do with progress that is there already. */
export interface ProgressOptions {
  /**
   * Where progress is kept, for work that is stopped to be continued. Finished work leaves its
   * progress there, so that nothing is lost before its result is in a file: remove it then
   * (`progress.remove()`).
   */
  readonly progress?: ProgressStore | undefined;
  /**
   * What to do with progress that is there already. `true`: continue it. `false`: begin anew. By
   * default such progress is refused, so that nobody's work is lost.
   */
  readonly resume?: boolean | undefined;
  /** Called with one sentence for each thing that is odd but not fatal. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** How a checkpoint is read, and for whom. */
export interface CheckpointKind<Checkpoint extends IdentifiedCheckpoint> {
  readonly schema: v.GenericSchema<unknown, Checkpoint>;
  readonly work: Work;
}

/**
 * The checkpoint that work continues from; `undefined` where it begins.
 * @throws {DiffrateError} where the store cannot be read, or holds progress that must not be
 *   continued, or that nobody said to continue.
 */
export async function resumedFrom<Checkpoint extends IdentifiedCheckpoint>(
  { progress, resume, onWarning }: ProgressOptions,
  identity: Identity,
  kind: CheckpointKind<Checkpoint>,
): Promise<Checkpoint | undefined> {
  if (progress === undefined || resume === false) return undefined;
  const { work } = kind;
  const text = await readText(progress, work);
  if (text === undefined) {
    if (resume === true) onWarning?.(`'${progress.name}' holds no progress of a ${work}: it begins at its start.`);
    return undefined;
  }
  const checkpoint = parsed(text, progress.name, kind);
  const other = differenceOf(checkpoint.identity, identity);
  if (other !== undefined) {
    throw new DiffrateError(
      `The progress in '${progress.name}' belongs to another ${work} (${other}): ${anew}, or use the same options.`,
    );
  }
  if (resume === true) return checkpoint;
  throw new DiffrateError(
    `'${progress.name}' holds progress of this very ${work}: continue it with \`resume: true\`, or ${anew}.`,
  );
}

/**
 * A checkpoint cannot be further than the search is long.
 * @throws {DiffrateError} where one says so.
 */
export function requireStepsWithin(found: { readonly step: number } | undefined, steps: number, name = ''): void {
  if (found === undefined || found.step <= steps) return;
  throw new DiffrateError(
    `The progress of the search in '${name}' is damaged (step ${found.step} of ${steps}): ${anew}.`,
  );
}

const anew = 'begin anew with `resume: false`';

/**
 * Puts a checkpoint into its store.
 * @throws {DiffrateError} where the store is full or refuses.
 */
export async function writeCheckpoint(
  progress: ProgressStore,
  checkpoint: IdentifiedCheckpoint,
  work: Work,
): Promise<void> {
  try {
    await progress.write(JSON.stringify(checkpoint));
  } catch (error) {
    throw new DiffrateError(
      `The progress of the ${work} cannot be kept in '${progress.name}' (${messageOf(error)}): make room there, or keep it elsewhere.`,
    );
  }
}

async function readText(progress: ProgressStore, work: Work): Promise<string | undefined> {
  try {
    return await progress.read();
  } catch (error) {
    throw new DiffrateError(
      `The progress of the ${work} cannot be read from '${progress.name}' (${messageOf(error)}): ${anew}.`,
    );
  }
}

function parsed<Checkpoint extends IdentifiedCheckpoint>(
  text: string,
  name: string,
  { schema, work }: CheckpointKind<Checkpoint>,
): Checkpoint {
  const json = parseJson(text);
  if (isOfOneText(json)) {
    throw new DiffrateError(
      `The progress of the ${work} in '${name}' is of an earlier version, which cannot be continued: ${anew}.`,
    );
  }
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  throw new DiffrateError(`The progress of the ${work} in '${name}' is damaged: ${anew}.`);
}

/** Whether work was asked for in one text, as searches were before they named the parts. */
function isOfOneText(json: unknown): boolean {
  return typeof json === 'object' && json !== null && 'identity' in json && typeof json.identity === 'string';
}

/**
 * In what a checkpoint's work differs from that which is to continue, in words; `undefined` where
 * it is the same.
 */
function differenceOf(found: Identity, wanted: Identity): string | undefined {
  const names = [...new Set([...Object.keys(wanted), ...Object.keys(found)])];
  const different = names.filter((name) => found[name] !== wanted[name]);
  if (different.length === 0) return undefined;
  const some = different
    .slice(0, mostDifferences)
    .map((name) => `${shortened(name)}: ${partOf(found, name)} instead of ${partOf(wanted, name)}`);
  return [...some, ...(different.length > some.length ? [`and ${different.length - some.length} more`] : [])].join(
    ', ',
  );
}

/** More of them are told by their number. */
const mostDifferences = 3;

const partOf = (identity: Identity, name: string): string =>
  Object.hasOwn(identity, name) ? shortened(identity[name] ?? '') : 'none';

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
