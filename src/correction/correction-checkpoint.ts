/**
 * The progress of a correction: parameters, moments and the best parameters so far, as base64 in
 * JSON. They are some ten thousand numbers each.
 */
import * as v from 'valibot';
import { identitySchema } from '../search/checkpoint.ts';
import type { CheckpointKind, IdentifiedCheckpoint } from '../search/checkpoint.ts';
import { countSchema, secondsSchema } from '../search/search-checkpoint.ts';
import type { CorrectionLook } from './correction-options.ts';

/** Everything that the next step depends on. */
export interface CorrectionCheckpoint extends IdentifiedCheckpoint {
  /** Steps done. */
  readonly step: number;
  /** Running mean of the loss. */
  readonly loss: number;
  readonly looks: readonly CorrectionLook[];
  readonly seconds: number;
  /** Vectors of all corrected parameters: `base64Of`. */
  readonly weights: string;
  readonly best: string;
  readonly first: string;
  readonly second: string;
}

const schema = v.object({
  identity: identitySchema,
  step: countSchema,
  loss: v.number(),
  looks: v.pipe(v.array(v.object({ step: countSchema, heldOut: v.number() })), v.minLength(1)),
  seconds: secondsSchema,
  weights: v.string(),
  best: v.string(),
  first: v.string(),
  second: v.string(),
});

/** How it is read. */
export const correctionCheckpoint: CheckpointKind<CorrectionCheckpoint> = { schema, work: 'correction' };

/** A vector as text. */
export function base64Of({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

/**
 * The vector of a text.
 * @returns `undefined` where it has another length.
 */
export function vectorIn(text: string, length: number): Float32Array | undefined {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return bytes.length === 4 * length ? new Float32Array(bytes.buffer) : undefined;
}
