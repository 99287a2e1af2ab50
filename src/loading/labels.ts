/** Class names as configuration files give them. */
import { isJsonObject } from '../checkpoints/json-object.ts';
import type { JsonObject } from '../checkpoints/json-object.ts';
import { quoted } from '../errors.ts';

/** Class names by class number. */
export type Labels = Readonly<Record<number, string>>;

/** What transformers calls a class that nobody named. */
const placeholder = (index: number): string => `LABEL_${index}`;

/**
 * Labels of a Hugging Face `id2label`: an object of names by class number, or a list of names.
 * Numbers become text; a class with `null` or nothing has no name. `undefined` where it is absent
 * or only numbers its classes (`LABEL_0`).
 */
export function labelsFromIdentifiers(identifiers: unknown): Labels | undefined {
  const given = Array.isArray(identifiers) || isJsonObject(identifiers) ? Object.entries(identifiers) : [];
  const named = given
    .filter(([identifier]) => /^\d+$/.test(identifier))
    .flatMap(([identifier, name]) => nameOf(name).map((text): [number, string] => [Number(identifier), text]));
  if (named.every(([index, name]) => name === placeholder(index))) return undefined;
  return Object.fromEntries(named);
}

/** timm's `label_names` as they are, beside which descriptions are shown. */
export function namesWithoutDescriptions(names: readonly unknown[] | undefined): Labels {
  return Object.fromEntries((names ?? []).flatMap((name, index) => nameOf(name).map((text) => [index, text])));
}

/** A name as text; none of what is no name. */
function nameOf(name: unknown): string[] {
  return ['string', 'number', 'boolean'].includes(typeof name) ? [String(name)] : [];
}

/**
 * Labels of timm's `label_names` (a list, in the order of classes) and `label_descriptions` (a text
 * per name).
 */
export function labelsFromNames(
  names: readonly unknown[] | undefined,
  descriptions: JsonObject | undefined,
): Labels | undefined {
  if (names === undefined || names.length === 0) return undefined;
  const described = new Map(Object.entries(descriptions ?? {}));
  return Object.fromEntries(
    names.flatMap((name, index) => {
      const [text] = nameOf(name);
      if (text === undefined) return [];
      const [description = text] = nameOf(described.get(text));
      return [[index, description]];
    }),
  );
}

/**
 * Labels for a network of `classes` classes. A class without a name is called `LABEL_n`. Names of
 * more classes than there are belong to another network and are left out.
 * @returns warnings that say which classes have no name. Several may share one, as ImageNet's two
 *   cranes do.
 */
export function fitLabels(
  labels: Labels | undefined,
  classes: number,
  source: string,
): { readonly labels: Labels | undefined; readonly warnings: readonly string[] } {
  if (labels === undefined || classes === 0) return { labels: undefined, warnings: [] };
  const numbers = Object.keys(labels).map(Number);
  const unnamed = Array.from({ length: classes }, (_, index) => index).filter((index) => labels[index] === undefined);
  const beyond = numbers.filter((index) => index >= classes);
  const counts = `${source} names ${numbers.length} ${numbers.length === 1 ? 'class' : 'classes'} where the network has ${classes}`;
  // A few names are a slip in a list that is the network's own; another number is another list.
  if (numbers.length !== classes && (beyond.length > 0 || unnamed.length > classes / 2))
    return { labels: undefined, warnings: [`${counts}; the names were left out.`] };
  const complete = Object.fromEntries(
    Array.from({ length: classes }, (_, index) => [index, labels[index] ?? placeholder(index)]),
  );
  const warnings = unnamed.length === 0 ? [] : [`${source} has no name for ${gapText(unnamed, beyond, labels)}.`];
  return { labels: complete, warnings };
}

function gapText(unnamed: readonly number[], beyond: readonly number[], labels: Labels): string {
  const [first = 0] = unnamed;
  const some = listed(unnamed);
  const called =
    unnamed.length === 1 ? `it is called ${placeholder(first)}` : `they are called ${placeholder(first)} and so on`;
  const left = beyond
    .slice(0, 3)
    .map((index) => `${index} (${quoted(labels[index])})`)
    .join(', ');
  const rest =
    beyond.length === 0
      ? ''
      : `; there is no class ${left}, so ${beyond.length === 1 ? 'that name was' : 'those names were'} left out`;
  return `class${unnamed.length === 1 ? '' : 'es'} ${some}: ${called}${rest}`;
}

/** The first three numbers, and how many more there are. */
function listed(numbers: readonly number[]): string {
  const more = numbers.length > 3 ? ` and ${numbers.length - 3} more` : '';
  return `${numbers.slice(0, 3).join(', ')}${more}`;
}
