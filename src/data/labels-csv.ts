/**
 * `labels.csv`: one line per image, `file,label`, comma-separated with optional double quotes (RFC
 * 4180). A first line that names the columns may put them in any order, beside others.
 */
import { csvParseRows } from 'd3-dsv';
import { DiffrateError } from '../errors.ts';

/** A line of the file. */
export interface LabelledFile {
  /** Path relative to the folder of the CSV file. */
  readonly file: string;
  /** Class index. */
  readonly label: number;
  /** Line number in the CSV file, from 1. */
  readonly line: number;
}

interface Record {
  readonly fields: string[];
  readonly line: number;
}

/** A last row of our own, which only a quote that is not closed can swallow. */
const endMark = 'end of the file';

/**
 * The rows of a CSV text, without empty lines and without spaces around fields. Lines are counted
 * here, because d3-dsv names none; it lets an open quote run to the end of the text.
 */
function parseRecords(text: string, source: string): Record[] {
  let line = 1;
  const records = csvParseRows(`${text.replace(/^\uFEFF/, '')}\n${endMark}`, (fields) => {
    const record = { fields: fields.map((field) => field.trim()), line };
    line += fields.join().split(/\r\n?|\n/).length;
    return record;
  });
  const last = records.pop();
  if (last?.fields.join() !== endMark) {
    throw new DiffrateError(`${source} line ${last?.line} has a quote that is not closed: close it with ".`);
  }
  return records.filter(({ fields }) => fields.join() !== '');
}

/**
 * Parses the text of a `labels.csv`.
 * @param source the file's name, for messages.
 * @throws DiffrateError if there is no image in it, a column is missing, or a label is not an
 *   integer ≥ 0.
 */
export function parseLabels(text: string, source: string): LabelledFile[] {
  const records = parseRecords(text, source);
  const first = records[0]?.fields ?? [];
  let fileColumn = 0;
  let labelColumn = 1;
  if (!/^[+-]?\d/.test(first[1] ?? '') || first.includes('label')) {
    const names = first.map((name) => name.toLowerCase());
    fileColumn = names.indexOf('file');
    labelColumn = names.indexOf('label');
    if (fileColumn < 0 || labelColumn < 0) {
      throw new DiffrateError(`${source} must begin with the line 'file,label', not '${first.join(',')}'.`);
    }
    records.shift();
  }
  if (records.length === 0) throw new DiffrateError(`${source} lists no images: add lines 'file,label'.`);
  return records.map(({ fields, line }) => {
    const file = fields[fileColumn] ?? '';
    const value = fields[labelColumn] ?? '';
    if (file === '') throw new DiffrateError(`${source} line ${line} names no file: write 'file,label'.`);
    if (!/^\d+$/.test(value) || !Number.isSafeInteger(Number(value))) {
      throw new DiffrateError(
        `${source} line ${line} gives '${file}' the label '${value}': a label must be an integer from 0.`,
      );
    }
    return { file, label: Number(value), line };
  });
}
