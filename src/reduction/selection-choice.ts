/**
 * How a rule of selection is asked for: by its name, by a text with numbers in the syntax of
 * methods (`dissimilarity:power=1,norm=0.8`), or as an object. `class-attention` is the rule of the
 * paper, which a schedule names by naming none.
 */
import { DiffrateError, UsageError, quoted } from '../errors.ts';
import { nearest } from '../options/nearest.ts';
import { nameOf } from './network-shape.ts';
import type { NetworkShape } from './network-shape.ts';
import type { KeptNumbers } from './schedule.ts';
import { dissimilarity, selectionNumbers, selectionRules } from './selection.ts';
import type { Selection, SelectionRule } from './selection.ts';

/** Names of rules, that of the paper among them. */
export const selectionNames = ['class-attention', ...selectionRules] as const;

/** The name of a rule, that of the paper among them. */
export type SelectionName = (typeof selectionNames)[number];

/** A rule as it is asked for; numbers that are left out are the usual ones. */
export type SelectionChoice = SelectionName | (Partial<Selection> & { readonly rule: SelectionRule });

/** A rule's number. */
type NumberName = keyof typeof selectionNumbers;

const numberNames = Object.keys(selectionNumbers) as NumberName[];

const isNumberName = (name: string): name is NumberName => Object.hasOwn(selectionNumbers, name);

/** Ends a sentence about a word that is not known. */
function advice(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? `use one of ${known.join(', ')}.` : `did you mean ${near}?`;
}

function unknownNumber(what: string, rule: SelectionName, key: string): UsageError {
  return new UsageError(`${what} has no number ${quoted(key)} for ${rule}: ${advice(key, numberNames)}`);
}

/**
 * The rule with all its numbers; `undefined` is the rule of the paper, by class attention.
 * @param what it is called in a sentence.
 * @throws {UsageError} for a rule or a number that is not known, or a number out of range.
 */
export function settledSelection(choice: SelectionChoice, what = 'The selection'): Selection | undefined {
  // Callers without types may give anything.
  const given: unknown = choice;
  const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
  const { rule, ...numbers }: Record<string, unknown> = isObject ? { ...given } : { rule: given };
  if (typeof rule !== 'string') {
    throw new UsageError(
      `${what} must be the name of a rule (${selectionNames.join(', ')}), or an object with such a rule: not ${quoted(given)}.`,
    );
  }
  const name = selectionNames.find((known) => known === rule);
  if (name === undefined) throw new UsageError(`${what} has no rule ${quoted(rule)}: ${advice(rule, selectionNames)}`);
  const entries = Object.entries(numbers).filter(([, value]) => value !== undefined);
  const [first] = entries;
  if (name === 'class-attention') {
    if (first === undefined) return undefined;
    throw new UsageError(`${what} gives ${quoted(first[0])} to class-attention, which has no numbers: leave it out.`);
  }
  for (const [key, value] of entries) {
    if (!isNumberName(key)) throw unknownNumber(what, name, key);
    const { least, greatest } = selectionNumbers[key];
    if (!(typeof value === 'number' && value >= least && value <= greatest)) {
      throw new UsageError(`${what} needs ${key} from ${least} to ${greatest}, not ${quoted(value)}.`);
    }
  }
  return { ...dissimilarity, ...Object.fromEntries(entries), rule: name };
}

const decimal = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * Reads `dissimilarity`, `dissimilarity:power=1,norm=0.8` or `class-attention`.
 * @param what it is called in a sentence.
 * @throws {UsageError} as `settledSelection` does, and for a text of another form.
 */
export function parseSelectionChoice(text: string, what = 'The selection'): SelectionChoice {
  const colon = text.indexOf(':');
  const name = (colon < 0 ? text : text.slice(0, colon)).trim();
  const rule = selectionNames.find((known) => known === name);
  if (rule === undefined) throw new UsageError(`${what} has no rule ${quoted(name)}: ${advice(name, selectionNames)}`);
  if (colon < 0) return rule;
  const numbers = new Map<string, unknown>();
  for (const part of text.slice(colon + 1).split(',')) {
    const [key = '', value] = part.split('=').map((word) => word.trim());
    if (key === '' || value === undefined) {
      throw new UsageError(`${what} must be like dissimilarity:power=1,norm=0.8, not ${quoted(text)}.`);
    }
    if (key === 'rule') throw unknownNumber(what, rule, key);
    if (numbers.has(key)) throw new UsageError(`${what} gives ${key} twice; keep one of them.`);
    numbers.set(key, decimal.test(value) ? Number(value) : value);
  }
  const choice = { ...Object.fromEntries(numbers), rule } as unknown as SelectionChoice;
  settledSelection(choice, what);
  return choice;
}

/** The text that `parseSelectionChoice` reads; numbers that are the usual ones are left out. */
export function formatSelectionChoice(selection: Selection | undefined): string {
  if (selection === undefined) return 'class-attention';
  const others = numberNames.filter((name) => selection[name] !== dissimilarity[name]);
  const numbers = others.map((name) => `${name}=${selection[name]}`).join(',');
  return numbers === '' ? selection.rule : `${selection.rule}:${numbers}`;
}

/**
 * Refuses a rule that a network cannot have: all rules start from attention, that of the class
 * token or, without one, that which tokens receive.
 * @throws {DiffrateError} where neither is there.
 */
export function requireSelectable(selection: Selection | undefined, network: NetworkShape): void {
  if (selection === undefined || network.importanceFrom !== 'class-token' || network.layout.prefix > 0) return;
  throw new DiffrateError(
    `The rule ${selection.rule} ranks tokens by the attention of a class token, which ${nameOf(network)} does not have, ` +
      'and nothing is named that attends in its place: use another network, or leave the rule out.',
  );
}

/** What to call the schedule, and who is told of what is odd. */
export interface SelectionRemarks {
  /** File or name of the schedule; default "The schedule". */
  readonly source?: string | undefined;
  /** Called with one sentence where the schedule keeps its own rule, or merges otherwise. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * A schedule with a rule of selection, where it names none; one that names a rule keeps it, with a
 * warning. A rule brings its own way of merging with it.
 * @throws {UsageError} for a rule that is not known, or wrong numbers.
 */
export function withSelection<S extends KeptNumbers>(
  schedule: S,
  choice: SelectionChoice,
  { source = 'The schedule', onWarning }: SelectionRemarks = {},
): S {
  const selection = settledSelection(choice);
  const [own, asked] = [formatSelectionChoice(schedule.selection), formatSelectionChoice(selection)];
  if (own === asked) return schedule;
  if (schedule.selection !== undefined) {
    onWarning?.(`${source} selects tokens by its own rule, ${own}, which it keeps in place of ${asked}.`);
    return schedule;
  }
  const { merging = 'patches' } = schedule;
  if (merging !== 'patches') {
    onWarning?.(`${source} merges by ${merging}, in place of which the rule ${asked} merges by patches.`);
  }
  return { ...schedule, selection, merging: 'patches' };
}

/** A schedule's rule in plain words, as a part of a sentence: by what tokens are selected. */
export function selectionInWords(selection: Selection | undefined, { layout }: Pick<NetworkShape, 'layout'>): string {
  const attention = layout.prefix > 0 ? 'the class token’s attention' : 'the attention that they receive';
  if (selection === undefined) return `${attention} alone (class-attention)`;
  return `${attention} and their dissimilarity to more important tokens (${formatSelectionChoice(selection)})`;
}
