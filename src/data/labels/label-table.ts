/**
 * A table of labels: one line per image, `file,label`. Columns may be separated by commas,
 * semicolons or tabs, with optional double quotes (RFC 4180); a first line that names the columns
 * may put them in any order, beside others; without it there are two. `sep=` lines (Excel's) are
 * skipped, and `#` lines unless they name a file that is there.
 * Hugging Face's `metadata.csv` and `metadata.jsonl` are such tables (datasets, "ImageFolder").
 */
import { dsvFormat } from 'd3-dsv';
import { DiffrateError, shortened } from '../../errors.ts';
import { tidyPath } from './table-path.ts';

/** A line of the table. */
export interface TableRow {
  /** Path as the table has it, with `/`. */
  readonly file: string;
  /** A class's name or number; `undefined` where the line leaves it empty. */
  readonly text: string | undefined;
  /** Line number in the file, from 1. */
  readonly line: number;
  /** Whether the line begins with `#`: a comment, unless there is such a file. */
  readonly isComment?: boolean;
}

/** What a table holds; or, where it has no column of files or of labels, which columns it has. */
export type LabelTable =
  | { readonly rows: readonly TableRow[] }
  | { readonly columns: readonly string[]; readonly missing: 'file' | 'label' };

/** Usual names of the columns, the first ones first. */
export const tableColumns = {
  file: [
    'file',
    'filename',
    'file_name',
    'path',
    'image',
    'image_id',
    'file_path',
    'filepath',
    'image_path',
    'image_name',
  ],
  label: ['label', 'class', 'target', 'class_id'],
} as const;

/** A class number: a whole number, also as tables with gaps write it (`3.0`); else `undefined`. */
export function wholeNumber(text: string): number | undefined {
  return /^\d+(\.0+)?$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

/** Whether a text looks like a number and is no class: `-1`, `1.5`. */
export function isWrongNumber(text: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && wholeNumber(text) === undefined;
}

/** The error for a line whose label is none. */
export function wrongLabel(source: string, line: number, file: string, text: string): DiffrateError {
  return new DiffrateError(
    `${source} line ${line} gives '${shortened(file)}' the label '${shortened(text)}': a label must be an integer from 0, or a class's name.`,
  );
}

/** Whether a file name ends as images do. */
export function isImageName(name: string): boolean {
  return /\.(jpe?g?|jfif|jif|png|webp|gif|avif|tiff?|bmp)$/i.test(name);
}

const separators = [',', ';', '\t', '|'] as const;

interface Record {
  readonly fields: readonly string[];
  readonly line: number;
}

/** A last row of our own, which only a quote that is not closed can swallow. */
const endMark = 'end of the file';

/**
 * Parses the text of a table.
 * @param source the file's name, for messages; one that ends in `.jsonl` is read as JSON lines.
 * @throws {DiffrateError} if it lists no image, a quote is not closed, a line names no file or has
 *   no column of labels, or there are more than two columns and no names of them.
 */
export function parseLabelTable(text: string, source: string): LabelTable {
  const plain = text.replace(/^\uFEFF/, '');
  const table = /\.(jsonl|ndjson)$/i.test(source) ? jsonTable(plain, source) : separatedTable(plain, source);
  if ('rows' in table && table.rows.length === 0)
    throw new DiffrateError(`${source} lists no images: add lines 'file,label'.`);
  return table;
}

/** The columns of a table that has none of files or of labels, in one sentence. */
export function columnsSentence(
  source: string,
  { columns, missing }: Extract<LabelTable, { columns: unknown }>,
): string {
  const wanted = tableColumns[missing].slice(0, 6).join(', ');
  const found = columns.length === 0 ? 'no columns' : `the columns ${columns.join(', ')}`.slice(0, 200);
  return (
    `${source} has ${found}, and none of them is known to be ${missing === 'file' ? 'the image’s file' : 'its label'} ` +
    `(${wanted}): begin with a line such as 'file,label'`
  );
}

function separatedTable(text: string, source: string): LabelTable {
  const said = /^sep=([,;\t|:])\r?\n/i.exec(text)?.[1];
  // Line numbers stay as they are: what is skipped leaves an empty line.
  const body = text.replace(/^sep=.(?=\r?\n)/i, '').replaceAll(/^#.*$/gm, '');
  const separator = said ?? separatorOf(body);
  const records = recordsOf(body, separator, source);
  const [first] = records;
  if (first === undefined) throw new DiffrateError(`${source} lists no images: add lines 'file,label'.`);
  const columns = headerOf(first.fields);
  if (columns === undefined && !isRow(first.fields)) {
    const missing = columnOf(first.fields, 'file') < 0 ? 'file' : 'label';
    return { columns: first.fields, missing };
  }
  const { file, label } = columns ?? { file: 0, label: 1 };
  const lines = columns === undefined ? records : records.slice(1);
  if (columns === undefined) checkTwoColumns(lines, source);
  const rows = lines.map(({ fields, line }) => rowOf(fields[file], fields[label], line, source));
  const comments = commentsOf(text, separator).flatMap(({ fields, line }): TableRow[] => {
    const [name, said] = [fields[file], fields[label]];
    if (name === undefined || name === '' || said === undefined) return [];
    return [{ ...rowOf(name, said, line, source), isComment: true }];
  });
  return { rows: [...rows, ...comments].sort((a, b) => a.line - b.line) };
}

/** Lines that begin with `#`, each alone, as a quote in a comment means nothing. */
function commentsOf(text: string, separator: string): Record[] {
  return text.split(/\r\n?|\n/).flatMap((line, index) => {
    const fields = line.startsWith('#') ? dsvFormat(separator).parseRows(line)[0] : undefined;
    return fields === undefined ? [] : [{ fields: trimmed(fields), line: index + 1 }];
  });
}

/**
 * Checks a table whose columns have no names.
 * @throws {DiffrateError} where there are more than two, as it is not plain which has the labels.
 */
function checkTwoColumns(records: readonly Record[], source: string): void {
  const wide = records.find(({ fields }) => fields.slice(2).some((field) => field !== ''));
  if (wide === undefined) return;
  throw new DiffrateError(
    `${source} line ${wide.line} has ${wide.fields.length} columns, and no first line says which has the labels: ` +
      `begin the table with one such as 'file,label', with a name for each column, or keep these two columns only.`,
  );
}

/** The separator whose first line makes sense as a header, or else as an image with its label. */
function separatorOf(text: string): string {
  const line = text.split(/\r\n?|\n/).find((one) => one.trim() !== '') ?? '';
  const fieldsBy = (separator: string): string[] => trimmed(dsvFormat(separator).parseRows(line)[0] ?? []);
  return (
    separators.find((separator) => headerOf(fieldsBy(separator)) !== undefined) ??
    separators.find((separator) => isRow(fieldsBy(separator))) ??
    separators.reduce((best, one) => (fieldsBy(one).length > fieldsBy(best).length ? one : best))
  );
}

const trimmed = (fields: readonly string[]): string[] => fields.map((field) => field.trim());

/**
 * The rows of a text, without empty lines and without spaces around fields. Lines are counted here,
 * because d3-dsv names none; it lets an open quote run to the end of the text.
 */
function recordsOf(text: string, separator: string, source: string): Record[] {
  let line = 1;
  const records = dsvFormat(separator).parseRows(`${text}\n${endMark}`, (fields) => {
    const record = { fields: trimmed(fields), line };
    line += fields.join().split(/\r\n?|\n/).length;
    return record;
  });
  const last = records.pop();
  if (last?.fields.join() !== endMark) {
    throw new DiffrateError(`${source} line ${last?.line} has a quote that is not closed: close it with ".`);
  }
  return records.filter(({ fields }) => fields.join('') !== '');
}

/** Places of both columns in a line that names them; `undefined` for any other line. */
function headerOf(fields: readonly string[]): { readonly file: number; readonly label: number } | undefined {
  const [file, label] = [columnOf(fields, 'file'), columnOf(fields, 'label')];
  return file < 0 || label < 0 ? undefined : { file, label };
}

function columnOf(fields: readonly string[], kind: keyof typeof tableColumns): number {
  const names = fields.map(columnName);
  const known = tableColumns[kind].find((name) => names.includes(name));
  return known === undefined ? -1 : names.indexOf(known);
}

/** `File Name` is `file_name`. */
const columnName = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, '_');

/** An image with its label, where no line names the columns. */
const isRow = ([file = '', label]: readonly string[]): boolean => isImageName(file) && label !== undefined;

function jsonTable(text: string, source: string): LabelTable {
  const rows: TableRow[] = [];
  for (const [index, line] of text.split(/\r\n?|\n/).entries()) {
    if (line.trim() === '') continue;
    const members = objectOf(line, `${source} line ${index + 1}`);
    const names = Object.keys(members);
    const [file, label] = [columnOf(names, 'file'), columnOf(names, 'label')];
    // A line may leave its label out; a table whose first line does has none.
    if (file < 0 || (label < 0 && rows.length === 0)) return { columns: names, missing: file < 0 ? 'file' : 'label' };
    const value = members[names[label] ?? ''];
    rows.push(rowOf(String(members[names[file] ?? ''] ?? ''), value == null ? '' : String(value), index + 1, source));
  }
  return { rows };
}

function objectOf(line: string, where: string): Readonly<JsonMembers> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonMembers;
  } catch {
    // The sentence below says it.
  }
  throw new DiffrateError(
    `${where} is no JSON object: write one such as {"file_name": "a.jpg", "label": 3} on each line.`,
  );
}

type JsonMembers = { readonly [member: string]: unknown };

function rowOf(file: string | undefined, text: string | undefined, line: number, source: string): TableRow {
  if (file === undefined || file.trim() === '')
    throw new DiffrateError(`${source} line ${line} names no file: write 'file,label'.`);
  if (text === undefined) throw wrongLabel(source, line, file, '');
  return { file: tidyPath(file.trim()), text: text.trim() === '' ? undefined : text.trim(), line };
}
