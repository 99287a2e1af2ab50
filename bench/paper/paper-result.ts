/**
 * What a script of `bench/paper` finds: the paper's figures beside ours, as a table for a terminal
 * and as a section of `docs/results.md`.
 */
import { formatTable } from '../../src/cli/output.ts';
import { listItem } from './prose-lines.ts';

/** One row: the paper's figures and ours under the same name. */
export interface ResultRow {
  readonly name: string;
  /** One per column of the paper; `null` where the figure is not known here. */
  readonly paper: readonly (string | null)[];
  readonly own: readonly string[];
}

/** A table. */
export interface PaperTable {
  /** What the rows are, for the head of the first column. */
  readonly rowsAre: string;
  /** Heads of the columns with the paper's figures, and of those with ours. */
  readonly paperColumns: readonly string[];
  readonly ownColumns: readonly string[];
  readonly rows: readonly ResultRow[];
  /** Sentences that belong to it: sources of the paper's figures, what differs. */
  readonly notes: readonly string[];
}

/** A table with what it is and how it was made. */
export interface PaperResult extends PaperTable {
  readonly title: string;
  /** As it could be typed again. */
  readonly command: string;
  /** `2026-01-31` */
  readonly date: string;
  /** Processor, cores and versions; no names of hosts or paths. */
  readonly machine: string;
}

/** Stands where a figure is not known: none is guessed. */
export const unknown = 'unknown';

/** Head and rows of the one table with both. */
export function tableCells({ rowsAre, paperColumns, ownColumns, rows }: PaperTable): {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
} {
  return {
    header: [rowsAre, ...paperColumns.map((name) => `paper: ${name}`), ...ownColumns],
    rows: rows.map(({ name, paper, own }) => {
      if (paper.length !== paperColumns.length || own.length !== ownColumns.length)
        throw new RangeError(`the row ${name} has other columns than its table`);
      return [name, ...paper.map((figure) => figure ?? unknown), ...own];
    }),
  };
}

/** For a terminal. */
export function resultText(result: PaperResult): string {
  const { header, rows } = tableCells(result);
  return [
    result.title,
    formatTable(header, rows),
    ...(result.notes.length === 0 ? [] : [result.notes.join('\n')]),
  ].join('\n\n');
}

/** A section in Markdown, from its heading to the end of its last line. */
export function resultSection(result: PaperResult): string {
  const { header, rows } = tableCells(result);
  const line = (cells: readonly string[]): string => `| ${cells.map(escaped).join(' | ')} |`;
  const table = [line(header), `|${header.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
  const notes = result.notes.map((note) => listItem(escaped(note))).join('\n');
  return [
    `## ${result.title}`,
    `${result.date}, ${result.machine}:`,
    `    ${result.command}`,
    table,
    ...(notes === '' ? [] : [notes]),
  ]
    .join('\n\n')
    .concat('\n');
}

/** Text of a cell: a bar would end it. */
const escaped = (text: string): string => text.replaceAll('|', String.raw`\|`);
