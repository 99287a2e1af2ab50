/**
 * What a folder says of the classes of its images before a network is known: texts of a table, or
 * names of sub-folders. `resolve-labels.ts` makes class numbers of it.
 */

import { shortened } from '../../errors.ts';

/** What a table says of an image. */
export interface TableLabel {
  /** A name or a number, as it is written there. */
  readonly text: string;
  /** Line of the table, from 1. */
  readonly line: number;
}

/** Texts of a table. Whether numbers among them are the network's or names is not known yet. */
export interface TableEvidence {
  readonly kind: 'table';
  /** Path of the table, for sentences. */
  readonly table: string;
  /** By the image's `file`; images that the table does not list have none. */
  readonly texts: ReadonlyMap<string, TableLabel>;
}

/** Names of sub-folders that images lie in. */
export interface FolderEvidence {
  readonly kind: 'folders';
  /** The folder that has the sub-folders, for sentences. */
  readonly folder: string;
  /** Their names in order, those without images as well. */
  readonly names: readonly string[];
  /** The sub-folder's name by the image's `file`. */
  readonly folderOf: ReadonlyMap<string, string>;
}

/** What is known of classes before a network is. */
export type LabelEvidence = TableEvidence | FolderEvidence;

/** Where labels come from. */
export type LabelOrigin =
  | 'table'
  | 'class names'
  | 'class numbers'
  | 'folder order'
  | 'labels file'
  | 'memory'
  | 'none';

/** Where labels come from, and how a sentence says it. */
export interface Labelling {
  readonly origin: LabelOrigin;
  /** Goes on after "20 labels, " or "no labels, ": `from labels.csv`. */
  readonly how: string;
}

/** What an image is told apart by before labels are known: its folder's name, or its text. */
export function claimOf(evidence: LabelEvidence | undefined, file: string): string | undefined {
  if (evidence === undefined) return undefined;
  return evidence.kind === 'table' ? evidence.texts.get(file)?.text : evidence.folderOf.get(file);
}

/** The first few of a list, quoted, and how many there are besides. */
export function firstFew(names: readonly string[], most = 3): string {
  const shown = names.slice(0, most).map((name) => `'${shortened(name)}'`);
  return names.length > most ? `${shown.join(', ')} and ${names.length - most} more` : shown.join(', ');
}
