/** The input of a run: it follows from target, seed and number of the run alone. */
import { RandomGenerator } from '../../src/data/random.ts';
import { mutateJson } from './json-mutations.ts';
import { mutate } from './mutations.ts';
import type { FuzzTarget } from './target.ts';

/** The damaged file of one run. */
export function damagedInput(
  { name, json = false, repair }: FuzzTarget,
  sound: readonly Uint8Array[],
  seed: number,
  run: number,
): Uint8Array {
  const random = new RandomGenerator(seed).fork(name, run);
  const original = sound[random.integer(sound.length)] ?? new Uint8Array(0);
  if (json && random.integer(3) > 0) {
    return new Uint8Array(Buffer.from(mutateJson(Buffer.from(original).toString('utf8'), random)));
  }
  const damaged = mutate(original, random, sound);
  return repair !== undefined && random.integer(2) === 0 ? repair(damaged) : damaged;
}
