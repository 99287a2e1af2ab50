/**
 * What names of class sub-folders mean to a network: names of its classes, numbers of its classes,
 * ImageNet's WordNet ids, or nothing. A place in the alphabet is never taken for a class.
 */
import { DiffrateError } from '../../errors.ts';
import { firstFew } from './evidence.ts';
import type { FolderEvidence, Labelling } from './evidence.ts';
import { lookUpClasses, needsNoLabels } from './network-classes.ts';
import type { NetworkClasses } from './network-classes.ts';

/** Numbers by folder name, and what is to be said of them. */
export interface FolderLabels extends Labelling {
  readonly numbers: ReadonlyMap<string, number>;
  /** What is odd: some or all images have no label. */
  readonly warning?: string | undefined;
}

/** What ImageNet's class folders are called. */
const wordNetId = /^n\d{8}$/;
const imageNetClasses = 1000;

/** How to say it oneself. */
function adviceFor({ names }: NetworkClasses): string {
  return Object.keys(names ?? {}).length === 0
    ? 'for labels name the folders by the network’s numbers from 0, write a labels.csv with these numbers, name the ' +
        'classes in the id2label of the model’s config.json, or set `labels` to folders where the order of the ' +
        'folders’ names is the network’s numbering'
    : 'for labels name the folders as the network names its classes, or write a labels.csv with the network’s numbers';
}

/**
 * Class numbers of sub-folders.
 * @throws {DiffrateError} where all names are whole numbers and it is not plain which ones.
 */
export function folderLabels(evidence: FolderEvidence, classes: NetworkClasses): FolderLabels {
  const { folder, names, folderOf } = evidence;
  const holding = new Set(folderOf.values());
  const filled = names.filter((name) => holding.has(name));
  if (classes.count === 0) return { numbers: new Map(), origin: 'none', how: needsNoLabels(classes) };
  return (
    byName(folder, filled, classes) ??
    byNumber(folder, filled, names, classes.count) ??
    byWordNet(folder, filled, classes) ??
    unknown(folder, filled, classes, `'${folder}' has the sub-folders ${firstFew(filled)}, ${nameNone(classes)}`)
  );
}

/** Names that are the network's, where all are or most of them. */
function byName(folder: string, filled: readonly string[], classes: NetworkClasses): FolderLabels | undefined {
  const lookup = lookUpClasses(classes);
  const numbers = new Map<string, number>();
  for (const name of filled) {
    const number = lookup.of(name);
    if (number !== undefined) numbers.set(name, number);
  }
  const others = filled.filter((name) => !numbers.has(name));
  // One name out of several may be the network's by chance.
  if (numbers.size === 0 || (others.length > 0 && (numbers.size < 2 || numbers.size <= others.length)))
    return undefined;
  // Numbers of which some are no names are numbers.
  if (others.length > 0 && filled.every(isNumber)) return undefined;
  const how = 'from sub-folders that bear the names of the network’s classes';
  if (others.length === 0) return { numbers, origin: 'class names', how };
  const warning =
    `'${folder}' has sub-folders that bear the names of the network’s classes, and ${others.length} that do not ` +
    `(${firstFew(others)}): images in these have no label.`;
  return { numbers, origin: 'class names', how, warning };
}

/** Names that are whole numbers, all or most of them. */
function byNumber(
  folder: string,
  filled: readonly string[],
  names: readonly string[],
  count: number,
): FolderLabels | undefined {
  const numeric = filled.filter(isNumber);
  const others = filled.filter((name) => !isNumber(name));
  if (numeric.length < 2 || numeric.length <= others.length) return undefined;
  // A class may have no image here and still say how the others are counted.
  const values = new Set(names.filter(isNumber).map(Number));
  const largest = Math.max(...values);
  const numbers = (first: number): Map<string, number> => new Map(numeric.map((name) => [name, Number(name) - first]));
  const stray =
    others.length === 0
      ? {}
      : {
          warning:
            `'${folder}' has sub-folders that bear class numbers, and ${others.length} that ` +
            `${others.length === 1 ? 'does' : 'do'} not (${firstFew(others)}): images in these have no label.`,
        };
  if (values.has(0) && largest < count) {
    const how = 'from sub-folders that bear class numbers';
    return { numbers: numbers(0), origin: 'class numbers', how, ...stray };
  }
  if (!values.has(0) && largest === count && values.size === count) {
    const how = `from sub-folders that bear class numbers, counted from 1: '1' is class 0`;
    return { numbers: numbers(1), origin: 'class numbers', how, ...stray };
  }
  if (others.length > 0) return undefined;
  const range = `the network has ${count} classes, 0 to ${count - 1}`;
  const insist = 'or set `labels` to none, or to a table';
  if (largest > count || (largest === count && values.has(0))) {
    throw new DiffrateError(
      `'${folder}' has sub-folders that are whole numbers up to ${largest} (${firstFew(filled)}), and ${range}: ` +
        `rename them to the network’s numbers, ${insist}.`,
    );
  }
  const [example = ''] = filled;
  const number = Number(example);
  throw new DiffrateError(
    `'${folder}' has sub-folders that are whole numbers (${firstFew(filled)}) with two readings, as ${range}: ` +
      (number < count ? `'${example}' is class ${number} where they are the network’s numbers, and ` : '') +
      `'${example}' is class ${number - 1} where they count from 1: rename them to the network’s numbers with an (empty) folder '0', ${insist}.`,
  );
}

const isNumber = (name: string): boolean => /^\d{1,9}$/.test(name);

/** ImageNet's own folders, whose order is ImageNet's numbering. */
function byWordNet(folder: string, filled: readonly string[], classes: NetworkClasses): FolderLabels | undefined {
  const { count } = classes;
  if (!filled.every((name) => wordNetId.test(name))) return undefined;
  if (filled.length === imageNetClasses && count === imageNetClasses) {
    const numbers = new Map([...filled].sort().map((name, index) => [name, index]));
    return { numbers, origin: 'class names', how: 'from ImageNet’s 1000 folders, whose order is ImageNet’s numbering' };
  }
  return unknown(
    folder,
    filled,
    classes,
    count === imageNetClasses
      ? `'${folder}' has ${filled.length} of ImageNet’s ${imageNetClasses} class folders, which alone do not say ImageNet’s class numbers`
      : `'${folder}' has folders of ImageNet’s classes, and the network has ${count} other ones`,
  );
}

/** No labels, and why. */
function unknown(folder: string, filled: readonly string[], classes: NetworkClasses, why: string): FolderLabels {
  const single =
    filled.length === 1 ? `'${folder}' has the single sub-folder '${filled[0]}', which is not taken for a class` : why;
  return {
    numbers: new Map(),
    origin: 'none',
    how: `as the sub-folders (${firstFew(filled)}) bear no names of the network’s classes`,
    warning: `${single}: its images have no labels; ${adviceFor(classes)}.`,
  };
}

/** Why names of folders say nothing to the network. */
function nameNone({ names }: NetworkClasses): string {
  return Object.keys(names ?? {}).length === 0
    ? 'and the network names no classes'
    : 'which are no names of the network’s classes';
}
