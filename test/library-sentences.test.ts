/**
 * Sentences of the library speak of the library: no text outside of the command line mentions an
 * option or a command that somebody types, and every name that a sentence advises has words of the
 * program.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path/posix';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { inCommandWords, translatedNames } from '../src/cli/command-words.ts';
import { DiffrateError, UsageError } from '../src/errors.ts';

/** A text of a source file: a string, a piece of a template, or a comment. */
interface FoundText {
  readonly kind: 'string' | 'comment';
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

/** All strings, templates and comments of a source text. */
function textsOf(code: string): FoundText[] {
  const source = ts.createSourceFile('module.ts', code, ts.ScriptTarget.Latest, true);
  const found = new Map<number, FoundText>();
  const add = (kind: FoundText['kind'], position: number, text: string): void => {
    found.set(position, { kind, text, line: source.getLineAndCharacterOfPosition(position).line + 1 });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node))
      add('string', node.getStart(), node.text);
    for (const range of ts.getLeadingCommentRanges(code, node.getFullStart()) ?? [])
      add('comment', range.pos, code.slice(range.pos, range.end));
    for (const range of ts.getTrailingCommentRanges(code, node.getEnd()) ?? [])
      add('comment', range.pos, code.slice(range.pos, range.end));
    node.getChildren().forEach(visit);
  };
  visit(source);
  return [...found.values()];
}

/** `--weights` behind a space, a quote or a bracket; not the `--` of `var(--text)`. */
const flag = /(?<![\w-]|var\()--[a-z]/;

const commands = readdirSync('src/cli/commands').map((file) => file.replace(/\.ts$/, ''));
const command = new RegExp(`\\bdiffrate (?:${commands.join('|')})\\b`);

/** What stands there for other reasons than to be typed. */
const allowed: readonly (readonly [file: RegExp, text: RegExp])[] = [
  // Custom properties of style sheets.
  [/^src\/report\//, /(?<=^|[\s"{;]|var\()--[a-z-]+(?=[:)]|$)/g],
  // The name of a timeline in a style sheet.
  [/^src\/report\/style\.ts$/, /--across/g],
  // Arguments of Node.
  [/^src\/threads\/worker-pool\.ts$/, /--import/g],
  // Old files have the same words, and are compared by them.
  [/^src\/search\/searched-schedule\.ts$/, /diffrate search, preset/g],
];

/** Where a source text speaks of the command line: `file:line: the text`. */
function offendersIn(file: string, code: string): string[] {
  return textsOf(code).flatMap(({ text, line }) => {
    const rest = allowed.reduce((left, [place, words]) => (place.test(file) ? left.replace(words, '') : left), text);
    return flag.test(rest) || command.test(rest) ? [`${file}:${line}: ${text}`] : [];
  });
}

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .map((file) => join('src', file.replaceAll('\\', '/')))
  .filter((file) => file.endsWith('.ts') && !file.startsWith('src/cli/'))
  .map((file) => [file, readFileSync(file, 'utf8')] as const);

describe('texts outside of the command line', () => {
  it('mention no option and no command that somebody types', () => {
    expect(files.flatMap(([file, code]) => offendersIn(file, code))).toEqual([]);
  });

  it.each([
    ["const a = 'give it with --weights';", 1],
    ['const a = `start\nagain ${without} --resume.`;', 1],
    ['/** As `diffrate eval` does. */\nlet count = 3;\n--count;', 1],
    ['const a = "--methods names it twice"; // --methods', 2],
    ['let count = 3; --count; const style = `color: var(--text)`; // fast--forward', 0],
  ])('are found in %j', (code, count) => {
    expect(offendersIn('src/data/module.ts', code)).toHaveLength(count);
  });
});

describe('names in backticks', () => {
  // Markdown has backticks of its own.
  const markdown = ['src/exporting/model-card.ts'];
  const advised = files
    .filter(([file]) => !markdown.includes(file))
    .flatMap(([, code]) => textsOf(code).filter(({ kind }) => kind === 'string'))
    .flatMap(({ text }) => new DiffrateError(text).advice);

  it('all have words of the program, which are all needed', () => {
    expect(translatedNames.filter((name) => !advised.includes(name))).toEqual([]);
    expect(advised.filter((name) => !translatedNames.includes(name))).toEqual([]);
  });

  it('are an error’s advice, for programs', () => {
    const error = new UsageError('Give the file as `weights`, or start again without `resume`.');
    expect(error.advice).toEqual(['weights', 'resume']);
    expect(inCommandWords(error.message)).toBe('Give the file as --weights, or start again without --resume.');
    expect(inCommandWords('a file called `other` stays')).toBe('a file called `other` stays');
    expect(new DiffrateError('The file is damaged.').advice).toEqual([]);
  });
});
