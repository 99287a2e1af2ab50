/** Class names as configuration files give them. */

/** Class names by class number. */
export type Labels = Readonly<Record<number, string>>;

/**
 * Labels of a Hugging Face `id2label`; `undefined` where it is absent or only numbers its classes
 * (`LABEL_0`).
 */
export function labelsFromIdentifiers(identifiers: Readonly<Record<string, string>> | undefined): Labels | undefined {
  const entries = Object.entries(identifiers ?? {}).filter(([identifier]) => /^\d+$/.test(identifier));
  if (entries.every(([identifier, label]) => label === `LABEL_${identifier}`)) return undefined;
  return Object.fromEntries(entries.map(([identifier, label]) => [Number(identifier), label]));
}

/**
 * Labels of timm's `label_names` (a list, in the order of classes) and `label_descriptions` (a text
 * per name).
 */
export function labelsFromNames(
  names: readonly string[] | undefined,
  descriptions: Readonly<Record<string, string>> | undefined,
): Labels | undefined {
  if (names === undefined || names.length === 0) return undefined;
  const described = new Map(Object.entries(descriptions ?? {}));
  return Object.fromEntries(names.map((name, index) => [index, described.get(name) ?? name]));
}

/** Labels that fit a network of `classes` classes, and a warning where they do not. */
export function fitLabels(
  labels: Labels | undefined,
  classes: number,
  source: string,
): { readonly labels: Labels | undefined; readonly warnings: readonly string[] } {
  if (labels === undefined || classes === 0) return { labels: undefined, warnings: [] };
  const named = Object.keys(labels).length;
  const complete = named === classes && labels[classes - 1] !== undefined;
  if (complete) return { labels, warnings: [] };
  return {
    labels: undefined,
    warnings: [`${source} names ${named} classes where the network has ${classes}; the names were left out.`],
  };
}
