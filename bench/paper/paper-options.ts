/** Options of the scripts: those that all have, and their values. */
import { basename, isAbsolute } from 'node:path';
import type { ArgsDef } from 'citty';
import { options } from '../../src/cli/options.ts';
import { parseArguments } from '../../src/cli/strict-arguments.ts';

/** Options that every script has. */
export const commonOptions = {
  model: {
    type: 'string',
    valueHint: 'NAME',
    description: 'registry name, hub id or model folder',
    default: 'deit_tiny_patch16_224',
  },
  weights: {
    ...options.weights,
    description: 'its checkpoint; by default NAME.safetensors among the weights of the data',
  },
  data: {
    type: 'string',
    valueHint: 'DIR',
    description: 'images to search on; by default imagenet-calibration of the data',
  },
  'eval-data': {
    type: 'string',
    valueHint: 'DIR',
    description: 'images to evaluate on; by default imagenet-val of the data',
  },
  images: { type: 'string', valueHint: 'N', description: 'take this many images of those to evaluate on' },
  schedule: {
    ...options.schedule,
    description: `${options.schedule.description}; by default the published one at the paper’s budget`,
  },
  seed: options.seed,
  device: options.device,
  threads: options.threads,
  results: { type: 'string', valueHint: 'FILE', description: 'file to add the result to', default: 'docs/results.md' },
} as const satisfies ArgsDef;

/** Options of the scripts that search schedules. */
export const searchOptions = {
  steps: { type: 'string', valueHint: 'N', description: 'steps of a search in place of the preset’s' },
  'search-out': {
    type: 'string',
    valueHint: 'DIR',
    description: 'folder of searched schedules, and of what a search that was stopped continues from',
    default: 'out/paper',
  },
  resume: { type: 'boolean', description: 'take finished searches from that folder, and continue a stopped one' },
} as const satisfies ArgsDef;

/** Values by name; what was not given is not there. */
export type GivenOptions = Readonly<Record<string, string | boolean | undefined>>;

/**
 * Reads a script's options.
 * @param script as in `npm run paper -- SCRIPT`
 * @throws {UsageError} for what the script does not have
 */
export function readOptions(script: string, rawArguments: readonly string[], own: ArgsDef): GivenOptions {
  const definition: ArgsDef = { ...commonOptions, ...own };
  const { _: __, ...given } = parseArguments(rawArguments, definition, commandOf(script));
  return given as GivenOptions;
}

/** The value of an option with text. */
export function textOption(given: GivenOptions, name: string): string | undefined {
  const value = given[name];
  return typeof value === 'string' ? value : undefined;
}

const commandOf = (script: string): string => `npm run paper -- ${script}`;

/** Options that change where a result goes, not what it is. */
const silent = new Set(['results', 'resume', 'search-out']);

/** A value as a document may name it: of a path on this machine, the last part only. */
export function withoutPath(value: string): string {
  return isAbsolute(value) || /^\.{1,2}[/\\]/.test(value) ? basename(value) : value;
}

/** The command as it could be typed again, without paths of this machine. */
export function typedCommand(script: string, rawArguments: readonly string[]): string {
  const words = [commandOf(script)];
  for (let index = 0; index < rawArguments.length; index++) {
    const [option = '', attached] = (rawArguments[index] ?? '').split(/=(.*)/s);
    const name = option.replace(/^--/, '');
    const isFlag = attached === undefined && (rawArguments[index + 1] ?? '--').startsWith('--');
    const value = attached ?? (isFlag ? undefined : rawArguments[++index]);
    if (silent.has(name)) continue;
    words.push(value === undefined ? option : `${option} ${withoutPath(value)}`);
  }
  return words.join(' ');
}
