/**
 * The documents against the project: links and anchors lead somewhere, commands are those of the
 * program, code imports what the entries export, and the API reference is made without a warning.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { stripVTControlCharacters } from 'node:util';
import type { ArgsDef, CommandDef } from 'citty';
import ts from 'typescript';
import { Application, TSConfigReader, TypeDocReader } from 'typedoc';
import { describe, expect, it, vi } from 'vitest';
import { runCommandLine } from '../src/cli/command-line.ts';
import { parseArguments } from '../src/cli/strict-arguments.ts';

const documents = [
  'README.md',
  'CHANGELOG.md',
  ...['docs', 'examples'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.md'))
      .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
      .sort(),
  ),
];

interface CodeBlock {
  /** What stands behind the fence; empty for an indented block. */
  readonly language: string;
  readonly text: string;
}

interface Document {
  /** Fenced and indented code. */
  readonly blocks: readonly CodeBlock[];
  /** Code within sentences. */
  readonly spans: readonly string[];
  /** Everything that is not code. */
  readonly prose: string;
  readonly anchors: ReadonlySet<string>;
}

/** Takes a Markdown text apart. */
function parseDocument(text: string): Document {
  const blocks: CodeBlock[] = [];
  const fenced = text.replace(
    /^( *)```(\S*)[^\n]*\n([\s\S]*?)^\1``` *$/gm,
    (_, indent: string, language: string, code: string) => {
      blocks.push({ language, text: code.replaceAll(new RegExp(`^${indent}`, 'gm'), '') });
      return '';
    },
  );
  const plain = fenced.replaceAll(/(?:(?<=^|\n\n)(?: {4}[^\n]*\n?|\n(?= {4}))+)/g, (code) => {
    blocks.push({ language: '', text: code.replaceAll(/^ {4}/gm, '') });
    return '';
  });
  const spans: string[] = [];
  const prose = plain.replaceAll(/(`+)(.+?)\1/gs, (_, __, code: string) => {
    spans.push(code.trim().replaceAll('\\|', '|'));
    return '';
  });
  const anchors = new Set<string>();
  for (const [, heading = ''] of plain.matchAll(/^#+ +(.*)$/gm)) {
    const slug = slugOf(heading);
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count++) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  return { blocks, spans, prose, anchors };
}

/** The anchor that GitHub gives a heading. */
function slugOf(heading: string): string {
  const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').trim();
  return text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
    .replaceAll(' ', '-');
}

const parsed = new Map(documents.map((path) => [path, parseDocument(readFileSync(path, 'utf8'))]));

/** What is wrong with a document's relative links. */
function brokenLinks(path: string, { prose }: Document): string[] {
  const targets = [...prose.matchAll(/\]\(\s*<?([^)\s>]+)/g), ...prose.matchAll(/\b(?:href|src)="([^"]+)"/g)];
  return targets.flatMap(([, target = '']) => {
    if (/^[a-z][a-z+.-]*:/i.test(target)) return [];
    const [file = '', anchor] = decodeURIComponent(target).split('#');
    const found = file === '' ? path : join(dirname(path), file);
    if (found.startsWith('..') || !existsSync(found)) return [`${target}: there is no ${found}`];
    if (anchor === undefined) return [];
    const there = parsed.get(found) ?? parseDocument(readFileSync(found, 'utf8'));
    return there.anchors.has(anchor) ? [] : [`${target}: ${found} has no such heading`];
  });
}

/** Splits a command line as a shell does, for the quotes that documents use. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g)].map(([word]) => word.replaceAll(/['"]/g, ''));

/**
 * The words after `diffrate` where a line calls the program, without `$`, `npx`, variables,
 * comments, pipes and redirections; brackets around what may be left out go, too.
 */
function programArguments(line: string): string[] | undefined {
  const command = line.replace(/^\s*\$ /, '').replace(/\s#\s.*$/, '');
  const [, rest] = /^\s*(?:\w+=\S* )*(?:npx )?diffrate +(\S.*)$/.exec(command) ?? [];
  return rest === undefined
    ? undefined
    : wordsOf(
        rest
          .replace(/\s(?:\||&&|;|2?>).*$/, '')
          .replaceAll(/[[\]]/g, '')
          .replaceAll(/(^|\s)…(?=\s|$)/g, ' '),
      );
}

/**
 * Commands of a document: whole ones of its code blocks, and mentions in sentences, which may leave
 * out what is required.
 */
function commandsOf({ blocks, spans }: Document): { readonly words: readonly string[]; readonly whole: boolean }[] {
  const lines = blocks
    .filter(({ language }) => ['', 'sh', 'bash', 'console', 'text'].includes(language))
    .flatMap(({ text }) => text.replaceAll(/\\\n\s*/g, ' ').split('\n'));
  const found = (line: string, whole: boolean): { words: string[]; whole: boolean }[] => {
    const words = programArguments(line);
    return words === undefined ? [] : [{ words, whole }];
  };
  return [...lines.flatMap((line) => found(line, true)), ...spans.flatMap((span) => found(span, false))];
}

const definitions = new Map<string, ArgsDef>();
for (const name of readdirSync('src/cli/commands').map((file) => file.replace(/\.ts$/, ''))) {
  const module = (await import(`../src/cli/commands/${name}.ts`)) as Record<string, CommandDef | undefined>;
  for (const exported of Object.values(module)) {
    const title = ((await exported?.meta) as { name?: string } | undefined)?.name;
    if (title !== undefined) definitions.set(title.replace('diffrate ', ''), exported?.args as ArgsDef);
  }
}

/** Names that the program knows, as its overview lists them. */
async function knownCommands(): Promise<string[]> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    await runCommandLine(['--help']);
    const overview = stripVTControlCharacters(write.mock.calls.map(([text]) => String(text)).join(''));
    return [...definitions.keys()].filter((name) => new RegExp(`^ +${name} `, 'm').test(overview));
  } finally {
    write.mockRestore();
  }
}

const known = await knownCommands();

/** What is wrong with a command, if anything. */
function commandFault(words: readonly string[], whole: boolean): string | undefined {
  const [name = '', ...rest] = words;
  if (name.startsWith('-')) return ['--help', '--version'].includes(name) ? undefined : `no option ${name}`;
  const definition = definitions.get(name);
  if (definition === undefined || !known.includes(name)) return `no command ${name}`;
  if (rest.includes('--help')) return undefined;
  const required = Object.entries(definition).map(([key, value]) => [key, { ...value, required: false }]);
  try {
    parseArguments(rest, whole ? definition : (Object.fromEntries(required) as ArgsDef), `diffrate ${name}`);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  readonly scripts: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;

const entries = new Map<string, readonly string[]>();
for (const [name, target] of Object.entries(manifest.exports)) {
  if (typeof target === 'string') continue;
  const source = target.default.replace(/^\.\/dist\/(.*)\.js$/, '../src/$1.ts');
  const module = (await import(source)) as object;
  entries.set(join('diffrate', name), Object.keys(module));
}

/** What a JavaScript block imports from this package and cannot, and what is no JavaScript. */
function codeFaults(code: string): string[] {
  const { diagnostics = [] } = ts.transpileModule(code, {
    reportDiagnostics: true,
    fileName: 'block.js',
    compilerOptions: { allowJs: true, module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ESNext },
  });
  const faults = diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
  const source = ts.createSourceFile('block.js', code, ts.ScriptTarget.ESNext);
  ts.forEachChild(source, (node) => {
    if (!ts.isImportDeclaration(node) || !ts.isStringLiteral(node.moduleSpecifier)) return;
    const module = node.moduleSpecifier.text;
    if (module !== 'diffrate' && !module.startsWith('diffrate/')) return;
    const names = entries.get(module);
    if (names === undefined) faults.push(`there is no entry ${module}`);
    const bindings = node.importClause?.namedBindings;
    for (const { name, propertyName } of bindings && ts.isNamedImports(bindings) ? bindings.elements : []) {
      const imported = (propertyName ?? name).text;
      if (names !== undefined && !names.includes(imported)) faults.push(`${module} exports no ${imported}`);
    }
  });
  return faults;
}

describe('the reading of documents', () => {
  const text = `# One & two\n\n[a](docs/no.md) \`diffrate flops MODEL\`\n\n    $ npx diffrate bench m \\\n      --rounds 3 | head  # three\n\n## One & two\n\n\`\`\`js\nimport { nothing } from 'diffrate';\n\`\`\`\n`;
  const example = parseDocument(text);

  it('finds headings, code, commands and what is wrong', () => {
    expect([...example.anchors]).toEqual(['one--two', 'one--two-1']);
    expect(commandsOf(example)).toEqual([
      { words: ['bench', 'm', '--rounds', '3'], whole: true },
      { words: ['flops', 'MODEL'], whole: false },
    ]);
    expect(brokenLinks('README.md', example)).toEqual(['docs/no.md: there is no docs/no.md']);
    expect(
      example.blocks.filter(({ language }) => language === 'js').flatMap((block) => codeFaults(block.text)),
    ).toEqual(['diffrate exports no nothing']);
    expect(codeFaults('const = 1;')).not.toEqual([]);
  });

  it('finds what the program would refuse', () => {
    expect(commandFault(['flops', 'm'], true)).toBeUndefined();
    expect(commandFault(['flops'], false)).toBeUndefined();
    expect(commandFault(['flops'], true)).toContain('needs MODEL');
    expect(commandFault(['flops', 'm', '--steps', '3'], false)).toContain('has no option --steps');
    expect(commandFault(['shrink', 'm'], false)).toBe('no command shrink');
  });
});

describe.each(documents)('%s', (path) => {
  const document = parsed.get(path) as Document;

  it('has links that lead somewhere', () => {
    expect(brokenLinks(path, document)).toEqual([]);
  });

  it('names files that are there', () => {
    const files = document.spans.filter((span) => /^(?:src|docs|test|bench|examples|\.ci)\/[\w./-]+$/.test(span));
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
  });

  it('has commands that the program takes', () => {
    const faults = commandsOf(document).flatMap(({ words, whole }) => {
      const fault = commandFault(words, whole);
      return fault === undefined ? [] : [`diffrate ${words.join(' ')}: ${fault}`];
    });
    expect(faults).toEqual([]);
  });

  it('has scripts that package.json has', () => {
    const code = [...document.blocks.map(({ text }) => text), ...document.spans].join('\n');
    const names = [...code.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name = '']) => name);
    expect(names.filter((name) => manifest.scripts[name] === undefined)).toEqual([]);
  });

  it('has JavaScript that imports what the entries export', () => {
    const code = document.blocks.filter(({ language }) => ['js', 'mjs', 'javascript'].includes(language));
    expect(code.flatMap(({ text }) => codeFaults(text))).toEqual([]);
  });
});

describe('docs/training.md', () => {
  it('has every member of a configuration file', () => {
    const source = readFileSync('src/training/training-configuration.ts', 'utf8');
    const schemas = source.slice(source.indexOf('const networkSchema'), source.indexOf('const schema ='));
    const members = [...schemas.matchAll(/^ +(\w+): /gm)].map(([, name = '']) => name);
    const { spans } = parsed.get('docs/training.md') as Document;
    const named = new Set(spans.flatMap((span) => span.split(/[^\w]+/)));
    expect(members).toContain('patchDropout');
    expect(members.filter((name) => !named.has(name))).toEqual([]);
  });
});

describe('the API reference', () => {
  it(
    'is made without a warning: every export has a comment, every type in it is exported',
    { timeout: 180_000 },
    async () => {
      const application = await Application.bootstrapWithPlugins({ options: 'typedoc.json' }, [
        new TypeDocReader(),
        new TSConfigReader(),
      ]);
      const messages: string[] = [];
      const { logger } = application;
      for (const level of ['warn', 'error'] as const) {
        vi.spyOn(logger, level).mockImplementation((message: string) => void messages.push(message));
      }
      const project = await application.convert();
      if (project !== undefined) application.validate(project);
      expect(messages).toEqual([]);
      expect(project?.children?.map(({ name }) => name).sort()).toEqual([...entries.keys()].sort());
    },
  );
});
