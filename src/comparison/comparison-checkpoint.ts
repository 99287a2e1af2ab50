/** The state of a comparison on disk: finished cells and sums of random schedules, in a JSON file written beside and renamed. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { DiffrateError, messageOf } from '../errors.ts';
import type { BaselineResult, ComparisonCell } from './comparison-options.ts';
import type { RankingSums } from './random-ranking.ts';

/** Everything that is done. */
export interface ComparisonCheckpoint {
  /** What was asked for; another comparison must not continue from here. */
  readonly identity: string;
  readonly baseline: BaselineResult | null;
  readonly cells: readonly ComparisonCell[];
  /** Random schedules by budget and what is placed among them. */
  readonly rankings: Readonly<Record<string, RankingSums>>;
}

const maybeNumber = v.nullable(v.number());
const metrics = {
  images: v.number(),
  top1: maybeNumber,
  top5: maybeNumber,
  loss: maybeNumber,
  agreement: maybeNumber,
  kl: maybeNumber,
};
const schema = v.object({
  identity: v.string(),
  baseline: v.nullable(v.object({ ...metrics, gflops: v.number() })),
  cells: v.array(
    v.variant('kind', [
      v.object({
        kind: v.literal('measured'),
        asked: v.string(),
        budget: v.number(),
        method: v.string(),
        gflops: v.number(),
        ragged: v.boolean(),
        imagesPerSecond: v.number(),
        speedup: v.number(),
        flopsRatio: v.number(),
        ...metrics,
      }),
      v.object({ kind: v.literal('missing'), asked: v.string(), budget: v.number(), reason: v.string() }),
    ]),
  ),
  rankings: v.record(
    v.string(),
    v.object({
      images: v.number(),
      kl: v.array(v.number()),
      agreement: v.array(v.number()),
      top1: v.array(v.number()),
    }),
  ),
});

/**
 * Writes a checkpoint; an older one stays whole until the new one is.
 * @throws {DiffrateError} if the file cannot be written.
 */
export async function writeComparisonCheckpoint(path: string, checkpoint: ComparisonCheckpoint): Promise<void> {
  const beside = `${path}.${randomUUID()}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(beside, JSON.stringify(checkpoint));
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw new DiffrateError(
      `The comparison's checkpoint '${path}' cannot be written (${messageOf(error)}); choose a folder that is writable and has room.`,
    );
  }
}

/**
 * Reads a checkpoint; `undefined` if there is none.
 * @throws {DiffrateError} if it is damaged or of another comparison.
 */
export async function readComparisonCheckpoint(
  path: string,
  identity: string,
): Promise<ComparisonCheckpoint | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new DiffrateError(
      `The comparison's checkpoint '${path}' cannot be read (${messageOf(error)}); start again without --resume.`,
    );
  }
  const parsed = v.safeParse(schema, parseJson(text));
  if (!parsed.success)
    throw new DiffrateError(`The comparison's checkpoint '${path}' is damaged; start again without --resume.`);
  if (parsed.output.identity !== identity) {
    throw new DiffrateError(
      `The checkpoint '${path}' belongs to another comparison (${parsed.output.identity}); start again without --resume, or with the same options.`,
    );
  }
  return parsed.output;
}

/** Removes the checkpoint of a finished comparison. */
export async function removeComparisonCheckpoint(path: string): Promise<void> {
  await rm(path, { force: true });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
