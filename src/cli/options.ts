/** The options that several commands share, as citty defines them, and their values as numbers. */
import { UsageError, quoted } from '../errors.ts';
import { objectives } from '../objectives/registry.ts';
import type { ObjectiveName } from '../objectives/registry.ts';

// citty wants lists that may be changed.
const objectiveNames: ObjectiveName[] = objectives.map(({ name }) => name);

/** Definitions; each command picks those that it has. */
export const options = {
  model: { type: 'positional', description: 'registry name, hub id or model folder', required: true },
  weights: {
    type: 'string',
    valueHint: 'FILE',
    description: 'checkpoint (.safetensors, .pth) for MODEL; FILE#KEY takes one of several sets in it',
  },
  data: {
    type: 'string',
    valueHint: 'DIR',
    description: 'image folder, or IDX file (the format of MNIST)',
    required: true,
  },
  schedule: {
    type: 'string',
    valueHint: 'FILE|NAME',
    description: 'schedule.json, or a published schedule such as deit_small_patch16_224@2.9',
  },
  device: { type: 'string', valueHint: 'cpu|webgpu', description: 'where the network runs', default: 'cpu' },
  threads: { type: 'string', valueHint: 'N', description: 'threads of the processor, by default one per core' },
  batch: { type: 'string', valueHint: 'N', description: 'images per batch' },
  limit: {
    type: 'string',
    valueHint: 'N',
    description: 'take this many images of every folder only, spread over its classes; always the same ones',
  },
  seed: { type: 'string', valueHint: 'N', description: 'seed of everything random', default: '0' },
  objective: {
    type: 'enum',
    options: objectiveNames,
    description: 'what “the same answers” means; by default what is usual for what the network gives',
  },
  strict: { type: 'boolean', description: 'fail at an image that cannot be decoded, and where the folder is odd' },
  json: { type: 'boolean', description: 'print one JSON object' },
} as const;

/** The value of an option that is a whole number; `undefined` where it was not given. */
export function integerOption(name: string, value: string | undefined, minimum = 1): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(number) || number < minimum) {
    throw new UsageError(`--${name} must be a whole number from ${minimum}, not ${quoted(value)}.`);
  }
  return number;
}

/** The value of an option that is a positive number; `undefined` where it was not given. */
export function positiveOption(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!/^[\d.]+(e-?\d+)?$/i.test(value) || !Number.isFinite(number) || number <= 0) {
    throw new UsageError(`--${name} must be a number above 0, not ${quoted(value)}.`);
  }
  return number;
}

/** The value of an option that is a list of whole numbers: `1,16`. */
export function integersOption(name: string, value: string): number[] {
  return value.split(',').map((part) => {
    const number = /^\d+$/.test(part) ? Number(part) : 0;
    if (number < 1 || !Number.isSafeInteger(number)) {
      throw new UsageError(
        `--${name} must be whole numbers from 1 with commas between them (1,16), not ${quoted(value)}.`,
      );
    }
    return number;
  });
}

/** The value of an option that is a list of words out of a few: `fp32,q8`. */
export function wordsOption<Word extends string>(name: string, value: string, known: readonly Word[]): Word[] {
  return value.split(',').map((part) => {
    const word = known.find((candidate) => candidate === part);
    if (word === undefined)
      throw new UsageError(`--${name} must be of ${known.join(', ')} with commas between them, not ${quoted(value)}.`);
    return word;
  });
}
