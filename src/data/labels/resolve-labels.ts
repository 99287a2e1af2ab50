/**
 * Labels are one idea: where they come from, how sure that is, and what is said. A folder gives
 * evidence (`evidence.ts`); with the classes of a network it becomes class numbers here, or no
 * labels with a sentence, or a refusal. A wrong guess would be silent, so none is made.
 */
import { DiffrateError } from '../../errors.ts';
import type { ImageSource, SourceImage } from '../image-source.ts';
import { claimOf, firstFew } from './evidence.ts';
import type { Labelling, LabelEvidence } from './evidence.ts';
import { folderLabels } from './folder-labels.ts';
import { lookUpClasses } from './network-classes.ts';
import type { NetworkClasses } from './network-classes.ts';
import { checkTexts, tableLabels } from './table-labels.ts';
import { wholeNumber } from './label-table.ts';

/** What is done about what is odd. */
export interface ResolveOptions {
  /** Fail where otherwise a warning is given. */
  readonly strict?: boolean | undefined;
  /** Called with one sentence where images have no label though something says classes. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * The images with the class numbers that a network knows them by. Whether labels that are numbers
 * already are in range is `checkLabels`' question.
 * @throws {DiffrateError} for folders named by numbers that have two readings, and for a table's
 *   numbers that are no class numbers (`-1`, `0.5`).
 */
export function resolveLabels(source: ImageSource, classes: NetworkClasses, options: ResolveOptions = {}): ImageSource {
  const { evidence, ...rest } = source;
  if (evidence === undefined) return source;
  if (hasOwnLabels(source, evidence)) return rest;
  const { numbers, origin, how, warning } =
    evidence.kind === 'table' ? tableLabels(evidence, classes) : folderLabels(evidence, classes);
  if (warning !== undefined) {
    if (options.strict === true) throw new DiffrateError(warning);
    options.onWarning?.(warning);
  }
  return withNumbers(source, evidence, numbers, { origin, how });
}

/**
 * The images that a network is trained on from scratch. Where it has no names yet, the order of the
 * names is its numbering, as in torchvision's `ImageFolder`.
 * @param classes the network's; with names where somebody gave it some.
 * @throws {DiffrateError} for more classes than the network has, and where some names are the
 *   network's and others are not.
 */
export function labelsFromScratch(source: ImageSource, classes: NetworkClasses): ImageSource {
  const { evidence } = source;
  if (evidence === undefined || classes.count === 0 || hasOwnLabels(source, evidence))
    return resolveLabels(source, classes);
  const names = evidence.kind === 'folders' ? evidence.names : textsOf(evidence);
  if (evidence.kind === 'folders' && new Set(evidence.folderOf.values()).size < 2) {
    const how = `as the single sub-folder '${[...evidence.folderOf.values()][0]}' is not taken for a class`;
    return withNumbers(source, evidence, new Map(), { origin: 'none', how });
  }
  const lookup = lookUpClasses(classes);
  const known = names.filter((name) => lookup.of(name) !== undefined);
  if (names.length > 0 && known.length === names.length) return resolveLabels(source, classes);
  if (evidence.kind === 'table') {
    checkTexts(evidence, lookup);
    if (names.every((name) => wholeNumber(name) !== undefined)) return resolveLabels(source, classes);
  }
  if (known.length > 0 && Object.keys(classes.names ?? {}).length > 0) {
    throw new DiffrateError(
      `Of the classes of '${source.name}' ${known.length} are among the network’s names (${firstFew(known)}) and ` +
        `${firstFew(names.filter((name) => !known.includes(name)))} not: make all of them names of the network, or none.`,
    );
  }
  const numbers = new Map(names.map((name, index) => [name, index]));
  const what = evidence.kind === 'folders' ? 'sub-folders' : 'classes of the table';
  const how = `from ${what}, counted from 0 in the order of their names`;
  if (names.length > classes.count) {
    throw new DiffrateError(
      `'${source.name}' has ${names.length} classes (${firstFew(names)}), and the network ${classes.count}: ` +
        `give the network as many, or take folders away.`,
    );
  }
  return { ...withNumbers(source, evidence, numbers, { origin: 'folder order', how }), classes: names };
}

/** All texts of a table, each once, in order. */
const textsOf = ({ texts }: Extract<LabelEvidence, { kind: 'table' }>): string[] =>
  [...new Set([...texts.values()].map(({ text }) => text))].sort();

/** Whether somebody gave the images other labels than they were opened with; these are kept. */
function hasOwnLabels({ images }: ImageSource, evidence: LabelEvidence): boolean {
  const texts = evidence.kind === 'table' ? [...evidence.texts.values()] : [];
  const areNumbers = texts.every(({ text }) => wholeNumber(text) !== undefined);
  return images.some(({ file, label }) => {
    const text = evidence.kind === 'table' && areNumbers ? evidence.texts.get(file)?.text : undefined;
    return label !== (text === undefined ? undefined : wholeNumber(text));
  });
}

function withNumbers(
  source: ImageSource,
  evidence: LabelEvidence,
  numbers: ReadonlyMap<string, number>,
  labelling: Labelling,
): ImageSource {
  const images = source.images.map(({ file }): SourceImage => {
    const label = numbers.get(claimOf(evidence, file) ?? '');
    return label === undefined ? { file } : { file, label };
  });
  const { evidence: _, ...rest } = source;
  return { ...rest, images, labelled: images.some(({ label }) => label !== undefined), labelling };
}
