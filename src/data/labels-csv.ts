/**
 * `labels.csv`: one line per image, `file,label`, comma-separated with optional double quotes (RFC 4180). A first line
 * that names the columns may put them in any order, beside others.
 */

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

/** Splits CSV text; quoted fields may hold commas, doubled quotes and line breaks. Empty lines are left out. */
function parseRecords(text: string, source: string): Record[] {
  const records: Record[] = [];
  let fields: string[] = [];
  let field = '';
  let quoted = false;
  let line = 1;
  let recordLine = 1;
  const endField = (): void => {
    fields.push(field.trim());
    field = '';
  };
  const endRecord = (): void => {
    endField();
    if (fields.length > 1 || fields[0] !== '') records.push({ fields, line: recordLine });
    fields = [];
    recordLine = line;
  };
  for (let index = text.startsWith('\uFEFF') ? 1 : 0; index < text.length; index++) {
    const character = text[index] ?? '';
    if (character === '\n') line += 1;
    if (quoted) {
      if (character !== '"') field += character;
      else if (text[index + 1] === '"') {
        field += '"';
        index += 1;
      } else quoted = false;
    } else if (character === '"' && field.trim() === '') {
      quoted = true;
      field = '';
    } else if (character === ',') endField();
    else if (character === '\n') endRecord();
    else if (character !== '\r') field += character;
  }
  if (quoted) throw new DiffrateError(`${source} line ${recordLine} has a quote that is not closed: close it with ".`);
  endRecord();
  return records;
}

/**
 * Parses the text of a `labels.csv`.
 * @param source the file's name, for messages.
 * @throws DiffrateError if there is no image in it, a column is missing, or a label is not an integer ≥ 0.
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
