/**
 * All objectives, and which of them fits a network. Another one is a file beside this and a line in
 * the list.
 */
import { DiffrateError } from '../errors.ts';
import { classDivergence } from './class-divergence.ts';
import { featureDistance } from './feature-distance.ts';
import { multiLabelDivergence } from './multi-label-divergence.ts';
import type { Answers, Objective } from './objective.ts';
import { regressionError } from './regression-error.ts';

/** Names of objectives, for options. */
export type ObjectiveName = 'classDivergence' | 'multiLabelDivergence' | 'featureDistance' | 'regressionError';

/** One line of the list. */
export interface ObjectiveEntry {
  readonly name: ObjectiveName;
  /** Whether it can compare such answers. */
  readonly fits: (answers: Answers) => boolean;
  /** The objective for answers of so many numbers per image, D. */
  readonly create: (size: number) => Objective;
}

const areClasses = ({ kind, size }: Answers): boolean => kind === 'classes' && size > 1;
const areLabels = ({ kind, size }: Answers): boolean => kind === 'labels' && size > 0;
/** A single number has no direction. */
const areDirections = ({ kind, size }: Answers): boolean => kind === 'features' && size > 1;
/** Numbers that stand for themselves. A classifier with one class is a regression. */
const areNumbers = ({ kind, size }: Answers): boolean =>
  (kind === 'values' && size > 0) || (kind === 'features' && size > 0) || (kind === 'classes' && size === 1);

/** The objectives; of those that fit a network the first is its default. */
export const objectives: readonly ObjectiveEntry[] = [
  { name: 'classDivergence', fits: areClasses, create: classDivergence },
  { name: 'multiLabelDivergence', fits: areLabels, create: multiLabelDivergence },
  { name: 'featureDistance', fits: areDirections, create: featureDistance },
  { name: 'regressionError', fits: areNumbers, create: regressionError },
];

/**
 * The objective for a network's answers: the one that is named, or else the default of that kind.
 * @throws {DiffrateError} where it does not fit such answers; the sentence says which do.
 */
export function objectiveFor(answers: Answers, options: { readonly name?: ObjectiveName } = {}): Objective {
  const { name } = options;
  const fitting = objectives.filter((entry) => entry.fits(answers));
  const chosen = name === undefined ? fitting[0] : fitting.find((entry) => entry.name === name);
  if (chosen !== undefined) return chosen.create(answers.size);
  const names = fitting.map((entry) => entry.name).join(' or ');
  const choice = names === '' ? 'no objective fits that' : `choose ${names}`;
  throw new DiffrateError(
    `The network gives ${wordsFor(answers)}${name === undefined ? '' : `, which ${name} cannot compare`}: ${choice}.`,
  );
}

/**
 * What the objective of that name measures, in words; a name that is in no list stands for itself.
 */
export function objectiveTitle(name: string): string {
  // The words do not depend on how many numbers there are.
  return objectives.find((entry) => entry.name === name)?.create(1).title ?? name;
}

/** What a network gives, in words. */
function wordsFor({ kind, size }: Answers): string {
  if (kind === 'features') return `features of ${size} ${size === 1 ? 'number' : 'numbers'}`;
  const [one, many] = { classes: ['class', 'classes'], labels: ['label', 'labels'], values: ['number', 'numbers'] }[
    kind
  ];
  const count = `${size} ${size === 1 ? one : many}`;
  return kind === 'values' ? count : `scores of ${count}`;
}
