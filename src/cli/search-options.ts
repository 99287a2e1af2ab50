/** The options of a search, which `search` and `compress` share, and its progress. */
import { formatCost } from '../cost/cost.ts';
import type { TargetKind } from '../execution/soft-targets.ts';
import type { ObjectiveName } from '../objectives/registry.ts';
import { searchSchedule } from '../compress/search.ts';
import type { NodeSearchOptions } from '../compress/search.ts';
import type { PresetName } from '../search/presets.ts';
import type { SearchOptions, SearchOutcome, SearchProgress } from '../search/search-options.ts';
import { interruptible } from './interrupt.ts';
import { integerOption, options } from './options.ts';
import { formatSeconds } from './output.ts';
import { withProgress } from './progress.ts';
import { parseResume, resumeOptions } from './resume-options.ts';
import type { GivenResume } from './resume-options.ts';
import { parseSelection, searchedSelectionOption } from './selection-option.ts';
import { sessionOptions } from './session-options.ts';

// citty wants lists that may be changed.
const targetKinds: TargetKind[] = ['labels', 'teacher'];
const presetList: PresetName[] = ['small-data', 'quick', 'paper'];

/** Definitions. */
export const searchOptions = {
  preset: {
    type: 'enum',
    options: presetList,
    description: 'small-data: some hundred images and minutes; quick: a quarter of that; paper: its recipe',
    default: 'small-data',
  },
  steps: {
    type: 'string',
    valueHint: 'N',
    description: 'steps in place of the preset’s (of a front’s middle budget; its cheapest has a third as many)',
  },
  batch: { ...options.batch, description: 'images per step in place of the preset’s' },
  targets: {
    type: 'enum',
    options: targetKinds,
    description: 'compare with the labels, or with the uncompressed network',
  },
  objective: options.objective,
  selection: searchedSelectionOption,
  seed: options.seed,
  ...resumeOptions,
  device: options.device,
  threads: options.threads,
} as const;

/** What the definitions give. */
export interface GivenSearch extends GivenResume {
  readonly preset: PresetName;
  readonly steps?: string;
  readonly batch?: string;
  readonly targets?: TargetKind;
  readonly objective?: ObjectiveName;
  readonly selection?: string;
  readonly seed: string;
  readonly device: string;
  readonly threads?: string;
}

/** The part of the search's options that these definitions stand for. */
export type SearchSettings = Pick<
  SearchOptions,
  'preset' | 'steps' | 'batchSize' | 'targets' | 'selection' | 'seed' | 'resume' | 'device' | 'threads'
>;

/** Values of the options. */
export function parseSearchOptions(given: GivenSearch): SearchSettings {
  return {
    ...sessionOptions(given),
    preset: given.preset,
    steps: integerOption('steps', given.steps),
    batchSize: integerOption('batch', given.batch),
    targets: given.targets,
    selection: parseSelection(given.selection),
    seed: integerOption('seed', given.seed, 0) ?? 0,
    resume: parseResume(given),
  };
}

/** Searches with progress on standard error; Ctrl-C ends it after the running step. */
export async function runSearch(settings: Omit<NodeSearchOptions, 'signal' | 'onWarning'>): Promise<SearchOutcome> {
  return withProgress((progress) => {
    const onWarning = (message: string): void => progress.note(`warning: ${message}`);
    const onProgress = (report: SearchProgress): void => progress.update(progressLine(report));
    return interruptible((signal) => searchSchedule({ ...settings, signal, onWarning }, onProgress));
  });
}

/** One line of progress. */
export function progressLine(progress: SearchProgress): string {
  const { phase, step, steps, loss, cost, unit, imagesPerSecond, secondsLeft } = progress;
  const counted = phase === 'gradients' ? 'step' : 'local search, image pass';
  return `${counted} ${step} of ${steps}, loss ${loss.toFixed(4)}, ${formatCost(cost, unit)}, ${imagesPerSecond.toFixed(1)} images/s, ${formatSeconds(secondsLeft)} left`;
}
