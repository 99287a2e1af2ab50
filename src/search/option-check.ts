/** What callers without types can leave out or misspell: told of before anything is loaded. */
import { UsageError } from '../errors.ts';
import type { OptionNames } from '../options/known-options.ts';
import { settledSelection } from '../reduction/selection-choice.ts';
import { presets } from './presets.ts';
import type { PlannedOptions } from './plan.ts';

/** What an option must have to be what it is called, and what to give in its place. */
const shapes = {
  model: ['network', 'a model, which loadModel and modelFromFiles give'],
  images: ['open', 'an image source, which openImages and memoryImages give'],
  runtime: ['load', 'a runtime'],
  progress: ['write', 'a store with read, write and remove'],
  objective: ['loss', 'an objective, which objectiveFor gives by its name'],
  cost: ['price', 'a cost'],
} as const;

/**
 * What any search may be given; a search of one schedule has a target, too, and one of a front a
 * range.
 */
export const plannedOptionNames: OptionNames<PlannedOptions> = {
  model: true,
  images: true,
  cost: true,
  objective: true,
  preset: true,
  selection: true,
  changes: true,
  steps: true,
  seed: true,
  batchSize: true,
  blockOverhead: true,
  targets: true,
  device: true,
  threads: true,
  runtime: true,
  createEvaluator: true,
  decoded: true,
  strict: true,
  signal: true,
  progress: true,
  resume: true,
  onWarning: true,
};

const needed: readonly string[] = ['model', 'images', 'runtime'];

/**
 * Checks the options of any search.
 * @throws {UsageError} that names the option.
 */
export function checkSearchOptions(options: PlannedOptions): void {
  for (const [name, [member, what]] of Object.entries(shapes)) {
    const value: unknown = options[name as keyof typeof shapes];
    if (value === undefined && needed.includes(name))
      throw new UsageError(`The search has no ${name}: give it among its options.`);
    if (value !== undefined && (typeof value !== 'object' || value === null || !(member in value)))
      throw new UsageError(`The ${name} of the search must be ${what}.`);
  }
  const { createEvaluator } = options;
  if (createEvaluator !== undefined && typeof createEvaluator !== 'function')
    throw new UsageError('The createEvaluator of the search must be a function that gives an evaluator.');
  const { preset, selection, steps, batchSize, blockOverhead, seed, threads } = options;
  if (preset !== undefined && !Object.hasOwn(presets, preset)) {
    const names = Object.keys(presets);
    const known = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
    throw new UsageError(`There is no preset "${String(preset)}": use ${known}.`);
  }
  if (selection !== undefined) settledSelection(selection, 'The selection of the search');
  requireInteger('steps', steps, 1);
  requireInteger('batchSize', batchSize, 1);
  requireInteger('threads', threads, 1);
  if (blockOverhead !== undefined && !(Number.isFinite(blockOverhead) && blockOverhead >= 0))
    throw new UsageError(
      `The search's blockOverhead must be a number of GFLOPs, 0 or more, not ${String(blockOverhead)}.`,
    );
  requireInteger('seed', seed, 0);
}

function requireInteger(name: string, value: number | undefined, minimum: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= minimum)) return;
  throw new UsageError(`The search's ${name} must be a whole number from ${minimum}, not ${String(value)}.`);
}
