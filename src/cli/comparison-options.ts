/** The options of `diffrate compare`, and their values. */
import { basename, join } from 'node:path';
import { allMethods, parseMethodList } from '../comparison/method-list.ts';
import type { RandomSchedulesRequest } from '../comparison/comparison-options.ts';
import { listedSchedules, searchedSchedules } from '../comparison/schedule-source.ts';
import type { ScheduleSource } from '../comparison/schedule-source.ts';
import { resumeOptions } from './resume-options.ts';
import { UsageError, quoted } from '../errors.ts';
import type { LoadedModel } from '../loading/model-from-files.ts';
import { namedShape } from '../networks/model.ts';
import type { Objective } from '../objectives/objective.ts';
import { requireSelectable, settledSelection, withSelection } from '../reduction/selection-choice.ts';
import type { SelectionChoice } from '../reduction/selection-choice.ts';
import { publishedSchedules } from '../reduction/published-schedules.ts';
import type { MethodText } from '../reduction/methods/method-text.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import { labelledFor, resolveSecondFolder } from './image-options.ts';
import type { GivenImageOptions } from './image-options.ts';
import { integerOption } from './options.ts';
import { printWarning } from './output.ts';
import { resolveSchedule } from './schedule-option.ts';
import { parseSelection, selectionOption } from './selection-option.ts';

/** Definitions of the options that no other command has. */
export const comparisonOptions = {
  budgets: {
    type: 'string',
    valueHint: '0.9,0.5',
    description: 'shares of the uncompressed network’s FLOPs',
    default: '0.9,0.8,0.7,0.65,0.6,0.5',
  },
  methods: {
    type: 'string',
    valueHint: 'evit,tome:proportional=false',
    description: 'methods, by default all of them; the parameter that sets the cost is found for each budget',
  },
  schedules: {
    type: 'string',
    valueHint: 'FILE,…',
    description: 'DiffRate’s schedules; by default the published ones',
  },
  'search-data': {
    type: 'string',
    valueHint: 'DIR',
    description: 'images to search DiffRate’s schedule for each budget on',
  },
  'search-steps': { type: 'string', valueHint: 'N', description: 'steps of such a search in place of the preset’s' },
  'random-schedules': {
    type: 'string',
    valueHint: 'N[@BUDGET]',
    description: 'evaluate N random schedules at each budget, or at one, and place DiffRate’s among them',
  },
  'random-images': {
    type: 'string',
    valueHint: 'N',
    description: 'images that random schedules are evaluated on',
    default: '128',
  },
  selection: {
    ...selectionOption,
    description: `${selectionOption.description}; searches are by it, too`,
  },
  rounds: { type: 'string', valueHint: 'N', description: 'runs of a throughput measurement', default: '5' },
  ...resumeOptions,
} as const;

/** What the definitions give. */
export interface GivenComparison extends GivenImageOptions {
  readonly budgets: string;
  readonly methods?: string;
  readonly schedules?: string;
  readonly 'search-data'?: string;
  readonly 'search-steps'?: string;
  readonly selection?: string;
  readonly 'random-schedules'?: string;
  readonly 'random-images': string;
  readonly seed: string;
}

/** Their values, as far as they need neither network nor images. */
export interface ComparisonSettings {
  readonly budgets: readonly number[];
  readonly methods: readonly MethodText[];
  readonly random: RandomSchedulesRequest | undefined;
  readonly searchSteps: number | undefined;
  /** Rule of searches, and of schedules that name none. */
  readonly selection: SelectionChoice | undefined;
  readonly seed: number;
}

/**
 * Values of the options.
 * @throws {UsageError} for a value that is none
 */
export function parseComparison(given: GivenComparison): ComparisonSettings {
  const budgets = budgetsOption('budgets', given.budgets);
  const seed = integerOption('seed', given.seed, 0) ?? 0;
  if (given.schedules !== undefined && given['search-data'] !== undefined)
    throw new UsageError('--schedules and --search-data exclude each other: give one of them.');
  if (given['search-steps'] !== undefined && given['search-data'] === undefined)
    throw new UsageError('--search-steps is the length of a search: give --search-data DIR, the images to search on.');
  return {
    budgets,
    methods: given.methods === undefined ? allMethods() : parseMethodList(given.methods),
    random: randomOption(given, budgets, seed),
    searchSteps: integerOption('search-steps', given['search-steps']),
    selection: parseSelection(given.selection),
    seed,
  };
}

function randomOption(
  given: GivenComparison,
  all: readonly number[],
  seed: number,
): RandomSchedulesRequest | undefined {
  const images = integerOption('random-images', given['random-images']) ?? 128;
  const text = given['random-schedules'];
  if (text === undefined) return undefined;
  const at = text.indexOf('@');
  const count = integerOption('random-schedules', at < 0 ? text : text.slice(0, at)) ?? 0;
  const budgets = at < 0 ? all : budgetsOption('random-schedules', text.slice(at + 1));
  return { count, budgets, images, seed };
}

function budgetsOption(name: string, text: string): number[] {
  const budgets = text.split(',').map((part) => {
    const share = /^(\d+\.?\d*|\.\d+)$/.test(part.trim()) ? Number(part) : 0;
    if (!(share > 0 && share < 1)) {
      throw new UsageError(
        `--${name} must be shares of the uncompressed network’s FLOPs, above 0 and below 1, not ${quoted(part)}.`,
      );
    }
    return share;
  });
  return [...new Set(budgets)];
}

/** Where DiffRate's schedules come from. */
export interface ScheduleRequest {
  readonly model: LoadedModel;
  readonly given: GivenComparison;
  readonly settings: ComparisonSettings;
  readonly session: SessionOptions;
  readonly objective: Objective;
  /** Folder that searched schedules are written into. */
  readonly out: string;
}

/**
 * The source that the options ask for: files, a search for each budget, or what is published.
 * @throws {DiffrateError} where a file or the folder of images does not serve
 */
export async function scheduleSource(request: ScheduleRequest): Promise<ScheduleSource> {
  const { model, given, settings, session, objective, out } = request;
  const searchData = given['search-data'];
  if (searchData !== undefined) {
    return searchedSchedules({
      ...session,
      model,
      objective,
      images: labelledFor(model, await resolveSecondFolder(searchData, given), given, 'search data'),
      seed: settings.seed,
      steps: settings.searchSteps,
      selection: settings.selection,
      onWarning: printWarning,
      fileOf: (gflops) => join(out, 'schedules', `${basename(model.name)}-${gflops}.json`),
    });
  }
  const nothing = 'no schedule: give --search-data DIR to search one, or --schedules FILE,…';
  if (given.schedules === undefined) {
    const published = publishedSchedules.filter((schedule) => schedule.model === model.name);
    const { selection } = settings;
    requireSelectable(selection && settledSelection(selection), namedShape(model.network, model.name));
    const found = published.map((schedule) => ({
      schedule: selection === undefined ? schedule : withSelection(schedule, selection),
      name: schedule.name,
    }));
    return listedSchedules(found, model.network, nothing);
  }
  const files = await Promise.all(
    given.schedules.split(',').map((file) => resolveSchedule(file.trim(), model, settings.selection)),
  );
  const found = files.flatMap((named) =>
    named === undefined ? [] : [{ schedule: named.schedule, name: named.scheduleName }],
  );
  return listedSchedules(found, model.network, nothing);
}
