/** The table of labels of a folder on disk: which file it is, and which images its lines name. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { DiffrateError, messageOf, shortened } from '../errors.ts';
import { columnsSentence, isImageName, parseLabelTable } from './labels/label-table.ts';
import type { LabelTable, TableRow } from './labels/label-table.ts';
import { firstFew } from './labels/evidence.ts';
import type { TableLabel } from './labels/evidence.ts';
import { basename, tidyPath } from './labels/table-path.ts';
import { tableText } from './labels/table-text.ts';

/** Tables that are read without being named, the first one first, in any case. */
const tableNames = ['labels.csv', 'metadata.csv', 'metadata.jsonl'];

/** Files that may say labels and are not read unless they are named. */
const labelLike =
  /^(?=.*(label|annotation|metadata|class|category|ground.?truth|target))(?!.*readme).*\.(csv|tsv|txt|jsonl?|ndjson|xlsx?|parquet|xml|ya?ml|npy|mat|pkl)$/i;

/** A table that was read. */
export interface FolderTable {
  /** Its path, as sentences say it. */
  readonly path: string;
  readonly rows: readonly TableRow[];
}

/**
 * Reads the table that lies in a folder.
 * @param names names of files in it.
 * @param warn told of tables that are not read.
 * @returns `undefined` where there is none.
 * @throws {DiffrateError} where it cannot be read or is wrong.
 */
export async function readFolderTable(
  directory: string,
  names: readonly string[],
  warn: (message: string) => void,
): Promise<FolderTable | undefined> {
  const candidates = tableNames.flatMap((name) => [
    ...names.filter((one) => one === name),
    ...names.filter((one) => one !== name && one.toLowerCase() === name),
  ]);
  const unread: string[] = [];
  let table: FolderTable | undefined;
  for (const name of candidates) {
    const path = join(directory, name);
    if (table !== undefined) {
      unread.push(name);
      continue;
    }
    const parsed = parseLabelTable(await readTable(path), path);
    if ('rows' in parsed) table = { path, rows: parsed.rows };
    // Metadata may be of other things; what is called labels is meant to be labels.
    else if (name.toLowerCase().startsWith('labels')) throw new DiffrateError(`${columnsSentence(path, parsed)}.`);
    else warn(`${columnsSentence(path, parsed)}; it is not read.`);
  }
  const others = names.filter((name) => labelLike.test(name) && !candidates.includes(name));
  if (unread.length > 0)
    warn(`'${directory}' has several tables: ${basename(table?.path ?? '')} is read, and ${unread.join(', ')} not.`);
  if (table === undefined && others.length > 0) {
    warn(
      `'${directory}' has files that may say labels and are not read (${firstFew(others)}): ` +
        `call a table labels.csv, or give its path as \`labels\`.`,
    );
  }
  return table;
}

/**
 * Reads a table by its path.
 * @throws {DiffrateError} where it is not there, cannot be read or is wrong.
 */
export async function readNamedTable(path: string): Promise<FolderTable> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) {
    throw new DiffrateError(
      `There is no table '${path}' of labels: give the path of a file, or auto, folders or none as \`labels\`.`,
    );
  }
  const parsed: LabelTable = parseLabelTable(await readTable(path), path);
  if (!('rows' in parsed)) throw new DiffrateError(`${columnsSentence(path, parsed)}.`);
  return { path, rows: parsed.rows };
}

async function readTable(path: string): Promise<string> {
  try {
    return tableText(await readFile(path));
  } catch (error) {
    throw new DiffrateError(`Cannot read ${path} (${messageOf(error)}): make it a readable file or remove it.`);
  }
}

/** What a table says, by image. */
export interface TableContent {
  /** Images in the table's order, relative to the folder. */
  readonly files: readonly string[];
  readonly texts: ReadonlyMap<string, TableLabel>;
}

/**
 * Finds the images that a table names.
 * @param directory absolute path of the folder.
 * @param listed images of the folder, relative to it; others are looked for.
 * @param warn told of lines that look like images' and are taken for comments.
 * @throws {DiffrateError} where some are not there, one name means several, or one has two labels.
 */
export async function contentOf(
  { path, rows }: FolderTable,
  directory: string,
  listed: readonly string[],
  warn: (message: string) => void,
): Promise<TableContent> {
  const known = new Set(listed);
  const find = await finderOf(directory, dirname(resolve(path)), known, listed);
  const texts = new Map<string, TableLabel>();
  const files = new Set<string>();
  const missing: TableRow[] = [];
  const comments: TableRow[] = [];
  for (const row of rows) {
    const found = await find(row.file);
    const [file, another] = found;
    if (file === undefined) {
      (row.isComment === true ? comments : missing).push(row);
      continue;
    }
    if (another !== undefined) {
      throw new DiffrateError(
        `${path} line ${row.line} names '${shortened(row.file)}', which may be one of ${found.length} images (${firstFew(found)}): write its path.`,
      );
    }
    const before = texts.get(file);
    if (row.text !== undefined && before !== undefined && before.text !== row.text) {
      throw new DiffrateError(
        `${path} gives '${shortened(file)}' the label '${shortened(before.text)}' in line ${before.line} and '${shortened(row.text)}' in line ${row.line}: delete one of them.`,
      );
    }
    files.add(file);
    if (row.text !== undefined && before === undefined) texts.set(file, { text: row.text, line: row.line });
  }
  const [first] = missing;
  if (first !== undefined) {
    const more = missing.length === 1 ? '' : `, and ${missing.length - 1} more that are not`;
    const remedy = missing.length === 1 ? 'add the file or delete the line' : 'add the files or delete the lines';
    throw new DiffrateError(
      `${path} line ${first.line} names '${shortened(first.file)}', which is not there${more}: ${remedy}.`,
    );
  }
  const images = comments.filter(({ file }) => isImageName(file));
  const [comment] = images;
  if (comment !== undefined) {
    warn(
      `${path} has lines that begin with # and name no image that is there, the first of them line ${comment.line} ` +
        `(${images.length} in all): they are taken for comments.`,
    );
  }
  return { files: [...files], texts };
}

/**
 * Finds the image that a line names: below the folder, below the table's, or by name alone, with
 * its ending or without, where it may lie in a sub-folder. Several are all that it may be.
 */
async function finderOf(
  directory: string,
  tableDirectory: string,
  known: ReadonlySet<string>,
  listed: readonly string[],
): Promise<(file: string) => Promise<readonly string[]>> {
  // File systems of macOS decompose accents.
  const composed = (name: string): string => name.normalize('NFC');
  const indexBy = (key: (file: string) => string): ReadonlyMap<string, readonly string[]> => {
    const index = new Map<string, string[]>();
    for (const file of listed) {
      const name = composed(key(file));
      const others = index.get(name);
      if (others === undefined) index.set(name, [file]);
      else others.push(file);
    }
    return index;
  };
  const indexes = [
    indexBy((file) => file),
    indexBy(basename),
    // Tables of identifiers (`image_id`) leave the ending out.
    indexBy((file) => file.replace(/\.[^./]+$/, '')),
    indexBy((file) => basename(file).replace(/\.[^.]+$/, '')),
  ];
  const isThere = async (path: string): Promise<boolean> =>
    (await stat(path).catch(() => undefined))?.isFile() === true;
  return async (file) => {
    if (known.has(file)) return [file];
    if (await isThere(resolve(directory, file))) return [inFolder(directory, resolve(directory, file))];
    const beside = resolve(tableDirectory, file);
    if (tableDirectory !== directory && (await isThere(beside))) return [inFolder(directory, beside)];
    const name = composed(file);
    return indexes.find((index) => index.has(name))?.get(name) ?? [];
  };
}

/** A path relative to the folder where it is below it. */
function inFolder(directory: string, path: string): string {
  const below = relative(directory, path);
  return isAbsolute(below) ? tidyPath(path) : below.split(sep).join('/');
}
