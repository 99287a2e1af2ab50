/**
 * Line lengths of comments and prose, which no formatter holds: part of `npm run check`.
 * Comments of TypeScript files have at most 100 characters a line, indentation included.
 * Prose of Markdown files has at most 120, and at most one sentence a line.
 * Tables, code and lines that are a link alone are left as they are.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import ts from 'typescript';

const longestComment = 100;
const longestProse = 120;

/** What ends in a full stop without ending a sentence. */
const abbreviations = /(?:\b(?:e\.g|i\.e|etc|cf|vs|Fig|Eq|Sec|App|no|approx|et al)|\d)\.$/;

/** Lines of a TypeScript file that hold a comment and are too long, as `file:line: text`. */
function longComments(file: string, text: string): string[] {
  const commented = new Set<number>();
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  const mark = ({ pos, end }: ts.TextRange): void => {
    const { line: first } = source.getLineAndCharacterOfPosition(pos);
    const { line: last } = source.getLineAndCharacterOfPosition(end);
    for (let line = first; line <= last; line++) commented.add(line);
  };
  const visit = (node: ts.Node): void => {
    for (const range of ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []) mark(range);
    for (const range of ts.getTrailingCommentRanges(text, node.getEnd()) ?? []) mark(range);
    for (const child of node.getChildren(source)) visit(child);
  };
  visit(source);
  return text
    .split('\n')
    .flatMap((line, index) =>
      commented.has(index) && line.length > longestComment
        ? [`${file}:${index + 1}: comment of ${line.length} characters: ${line.trim()}`]
        : [],
    );
}

/** Whether a line of prose has a sentence that ends before the line does. */
function hasTwoSentences(line: string): boolean {
  const plain = line.replaceAll(/`[^`]*`/g, 'code').replaceAll(/\([^)]*\)/g, '');
  return [...plain.matchAll(/[.!?]["”’)]? +(?=["“*_[]*[A-Z])/g)].some(
    ({ index }) => !abbreviations.test(plain.slice(0, index + 1)),
  );
}

/** Lines of prose that are too long, or have more than one sentence. */
function faultyProse(file: string, text: string): string[] {
  let fenced = false;
  return text.split('\n').flatMap((line, index) => {
    if (/^ *```/.test(line)) fenced = !fenced;
    const isProse = !fenced && !/^ *(?:```|\||<|\[[^\]]*\]\([^)]*\)$)|^ {4}/.test(line);
    if (!isProse) return [];
    const where = `${file}:${index + 1}:`;
    const shown = line.replaceAll(/\]\([^)]*\)/g, ']');
    if (shown.length > longestProse) return [`${where} line of ${shown.length} characters: ${line}`];
    return hasTwoSentences(shown) ? [`${where} more than one sentence: ${line}`] : [];
  });
}

/** Files that git knows or would add, with these endings. */
function filesOf(...patterns: readonly string[]): string[] {
  const parameters = ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...patterns];
  const listed = execFileSync('git', parameters, { encoding: 'utf8' });
  const deleted = new Set(execFileSync('git', ['ls-files', '--deleted'], { encoding: 'utf8' }).split('\n'));
  return listed.split('\n').filter((file) => file !== '' && !deleted.has(file));
}

const faults = [
  ...filesOf('*.ts').flatMap((file) => longComments(file, readFileSync(file, 'utf8'))),
  ...filesOf('*.md').flatMap((file) => faultyProse(file, readFileSync(file, 'utf8'))),
];
for (const fault of faults) console.error(fault);
if (faults.length > 0) {
  console.error(`${faults.length} lines to mend.`);
  process.exitCode = 1;
}
