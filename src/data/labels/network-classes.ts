/**
 * The classes of a network, and which of them a name means: a folder's name or a text of a table.
 * Names of Hugging Face's ImageNet networks are lists of synonyms (`tench, Tinca tinca`).
 */

/** How many classes a network has, and what they are called. */
export interface NetworkClasses {
  /** 0 where it has none: an encoder, a regression, a network of many labels. */
  readonly count: number;
  /** Whether any number of labels may hold of an image; those of such networks are not read. */
  readonly manyLabels?: boolean | undefined;
  /** Names by number, where there are any; some may be missing. */
  readonly names?: Readonly<Record<number, string>> | undefined;
  /** Second names by number, which mean the same and are not shown. */
  readonly otherNames?: Readonly<Record<number, string>> | undefined;
}

/** Why images have no labels for a network whose `count` is 0. */
export function needsNoLabels({ manyLabels }: NetworkClasses): string {
  return manyLabels === true
    ? 'as labels of a network of many labels for each image are not read'
    : 'which a network without classes does not need';
}

/** Finds classes by name. */
export interface ClassLookup {
  /** Number of the class that bears a name; `undefined` where none does, or several do. */
  readonly of: (name: string) => number | undefined;
}

/** What Hugging Face calls a class that has no name. */
const unnamed = /^label_(\d+)$/i;

/** WordNet's numbers, as ImageNet's folders are called. */
const wordNetId = /\bn\d{8}\b/;

/**
 * A name as it is compared: without case, and with what file names cannot hold, spaces and
 * underscores all alike. macOS decomposes accents, so they are composed.
 */
export function comparableName(name: string): string {
  return name
    .normalize('NFC')
    .toLowerCase()
    .replaceAll(/[\s_/\\:*?"<>|]+/g, ' ')
    .trim();
}

/** A lookup by a network's names: whole names first, then synonyms that one class alone has. */
export function lookUpClasses({ count, names = {}, otherNames = {} }: NetworkClasses): ClassLookup {
  const whole = new Map<string, Set<number>>();
  const parts = new Map<string, Set<number>>();
  const add = (to: Map<string, Set<number>>, key: string, number: number): void => {
    if (key === '') return;
    to.set(key, (to.get(key) ?? new Set()).add(number));
  };
  for (const [key, name] of [...Object.entries(names), ...Object.entries(otherNames)]) {
    const number = Number(key);
    if (number >= count) continue;
    add(whole, comparableName(name), number);
    for (const synonym of name.split(',')) add(parts, comparableName(synonym), number);
    const id = wordNetId.exec(name)?.[0];
    if (id !== undefined) add(parts, id, number);
  }
  const only = (found: Set<number> | undefined): number | undefined => (found?.size === 1 ? [...found][0] : undefined);
  return {
    of: (name) => {
      const key = comparableName(name);
      // What two classes are called says nothing, not even as the synonym of a third.
      if (whole.has(key)) return only(whole.get(key));
      if (parts.has(key)) return only(parts.get(key));
      const number = Number(unnamed.exec(name.trim())?.[1] ?? NaN);
      return number < count ? number : undefined;
    },
  };
}
