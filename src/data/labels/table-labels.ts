/** What texts of a table mean to a network: names of its classes, or their numbers. */
import { basename } from './table-path.ts';
import { firstFew } from './evidence.ts';
import type { Labelling, TableEvidence } from './evidence.ts';
import { isWrongNumber, wholeNumber, wrongLabel } from './label-table.ts';
import { lookUpClasses, needsNoLabels } from './network-classes.ts';
import type { ClassLookup, NetworkClasses } from './network-classes.ts';

/** Numbers by text, and what is to be said of them. */
export interface TextLabels extends Labelling {
  readonly numbers: ReadonlyMap<string, number>;
  /** What is odd: some texts are no class of the network, or have two readings. */
  readonly warning?: string | undefined;
}

/**
 * Class numbers of a table's texts. Numbers are numbers, unless the network's classes are called by
 * numbers, as those of folders 1 to 10 are.
 * @throws {DiffrateError} where a text is a number and neither a class number nor a class's name.
 */
export function tableLabels(evidence: TableEvidence, classes: NetworkClasses): TextLabels {
  const { table, texts } = evidence;
  if (classes.count === 0) return { numbers: new Map(), origin: 'none', how: needsNoLabels(classes) };
  const lookup = lookUpClasses(classes);
  checkTexts(evidence, lookup);
  const lines = new Map<string, number>();
  for (const { text, line } of texts.values()) if (!lines.has(text)) lines.set(text, line);
  const reading = readingOfNumbers([...lines.keys()], lookup, classes);
  const numbers = new Map<string, number>();
  const unknown: string[] = [];
  for (const text of lines.keys()) {
    const number = wholeNumber(text) === undefined ? lookup.of(text) : reading.of(text);
    if (number === undefined) unknown.push(text);
    else numbers.set(text, number);
  }
  const remarks = reading.remark === undefined ? [] : [`${table} ${reading.remark}`];
  const isByName = [...numbers].some(([text, number]) => wholeNumber(text) !== number);
  const how = `from ${basename(table)}${isByName ? ', by the names of the network’s classes' : ''}`;
  const [first] = unknown;
  if (first !== undefined) {
    const named = Object.values(classes.names ?? {});
    const known = named.length === 0 ? 'the network names no classes' : `the network’s are called ${firstFew(named)}`;
    remarks.push(
      `${table} line ${lines.get(first)} gives a label that is no class of the network, ${unknown.length} such in all ` +
        `(${firstFew(unknown)}; ${known}): images with these have no label; correct them.`,
    );
  }
  const said = remarks.length === 0 ? {} : { warning: remarks.join(' ') };
  return numbers.size === 0 && unknown.length > 0
    ? { numbers, origin: 'none', how: `as none of the texts of ${basename(table)} is a class of the network`, ...said }
    : { numbers, origin: 'table', how, ...said };
}

/**
 * Checks that numbers among texts may be classes.
 * @throws {DiffrateError} that names the first that may not: `-1`, `0.5`, unless a class bears it.
 */
export function checkTexts({ table, texts }: TableEvidence, lookup: ClassLookup): void {
  for (const [file, { text, line }] of texts)
    if (isWrongNumber(text) && lookup.of(text) === undefined) throw wrongLabel(table, line, file, text);
}

/** What the whole numbers of a table mean, all in the same way. */
interface NumberReading {
  readonly of: (text: string) => number | undefined;
  /** Where there is another reading: which, and how to get it; the table's name goes before it. */
  readonly remark?: string;
}

/** Names go before numbers where all are names; a mixture of both would be wrong for some. */
function readingOfNumbers(texts: readonly string[], lookup: ClassLookup, { count }: NetworkClasses): NumberReading {
  const byName = (text: string): number | undefined => lookup.of(text) ?? lookup.of(String(wholeNumber(text)));
  const all = texts.filter((text) => wholeNumber(text) !== undefined);
  const different = all.find((text) => byName(text) !== undefined && byName(text) !== wholeNumber(text));
  if (different === undefined) return { of: wholeNumber };
  const areNumbers = all.every((text) => (wholeNumber(text) ?? 0) < count);
  if (!areNumbers) return { of: byName };
  const name = byName(different);
  const both = `has numbers with two readings: '${different}' is the name of class ${name}, and the number of another class`;
  const other = all.find((text) => byName(text) === undefined);
  return other === undefined
    ? {
        of: byName,
        remark: `${both}; they are taken for names: write LABEL_${different} for the class of number ${different}.`,
      }
    : {
        of: wholeNumber,
        remark: `${both}; they are taken for numbers, as '${other}' is no name: for names correct that one.`,
      };
}
