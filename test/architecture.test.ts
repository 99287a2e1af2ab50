/**
 * The import order of `docs/architecture.md`, that what is to run in a browser reaches nothing of
 * Node's, and that what is known of a network's tokens stands in one place. The table of folders in
 * that document is the only list: a folder that is missing there, or is not there any more, fails
 * as well.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, normalize } from 'node:path/posix';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

interface Import {
  readonly specifier: string;
  /** Erased by the compiler: `import type`, `export type`. */
  readonly typeOnly: boolean;
}

/**
 * Files that stand beside the folders: anyone may import the errors; the entry is for users alone.
 */
const errorsFile = 'src/errors.ts';

/** Packages that run in a browser as well as in Node. */
const portablePackages = ['d3-array', 'd3-dsv', 'fflate', 'valibot', 'onnxruntime-web/webgpu'];

/** `src/…` paths of the table's first column, in order, and what stands behind each in brackets. */
const rows = [
  ...readFileSync('docs/architecture.md', 'utf8').matchAll(/^\| `(src\/[a-z]+)`(?: \(([^)]*)\))? \|/gm),
].map(([, folder, note]) => ({ folder: folder as string, note }));
const folders = rows.map(({ folder }) => folder);

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => join('src', file.replaceAll('\\', '/')));

const importsByFile = new Map(files.map((file) => [file, importsOf(readFileSync(file, 'utf8'))]));

/** Every `import`, `export … from` and `import()` of a source text. */
function importsOf(text: string): Import[] {
  const source = ts.createSourceFile('module.ts', text, ts.ScriptTarget.Latest);
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier !== undefined && ts.isStringLiteral(specifier)) found.push({ specifier: specifier.text, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly ?? false);
    if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

const isRelative = ({ specifier }: Import): boolean => specifier.startsWith('.');

/** The file that a relative import of `file` names. */
const targetOf = (file: string, { specifier }: Import): string => normalize(join(file, '..', specifier));

/** The top folder of a file: `src/graph`; `src` for those beside the folders. */
const folderOf = (file: string): string => file.split('/').slice(0, -1).slice(0, 2).join('/');

/** What a file loads at run time, itself included, with the way that leads there. */
function reachedFrom(file: string): Map<string, readonly string[]> {
  const reached = new Map<string, readonly string[]>([[file, [file]]]);
  for (const [current, way] of reached) {
    for (const one of (importsByFile.get(current) ?? []).filter((candidate) => !candidate.typeOnly)) {
      const target = isRelative(one) ? targetOf(current, one) : one.specifier;
      if (!reached.has(target)) reached.set(target, [...way, target]);
    }
  }
  return reached;
}

/**
 * Circles of imports, type imports included, each once and as short as can be: `a → b → a`.
 * @param imports the files that a file imports
 */
function circlesOf(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const found = new Map<string, string>();
  for (const start of [...imports.keys()].sort()) {
    const ways = new Map<string, readonly string[]>([[start, [start]]]);
    for (const [current, way] of ways) {
      const targets = imports.get(current) ?? [];
      if (targets.includes(start)) {
        const circle = [...way].sort().join();
        if (!found.has(circle)) found.set(circle, [...way, start].join(' → '));
        break;
      }
      for (const target of targets) if (!ways.has(target)) ways.set(target, [...way, target]);
    }
  }
  return [...found.values()];
}

const isForeign = (specifier: string): boolean =>
  specifier.startsWith('node:') ||
  builtinModules.includes(specifier) ||
  !(specifier.startsWith('src/') || portablePackages.includes(specifier));

describe('importsOf', () => {
  it('finds every kind of import', () => {
    const text = `
      import { a, type B } from './one.ts'; import type { C } from './two.ts'; export { d } from './three.ts';
      export type { E } from './four.ts'; const f = await import('./five.ts'); type G = typeof import('./six.ts'); import './seven.ts';`;
    expect(importsOf(text)).toEqual([
      { specifier: './one.ts', typeOnly: false },
      { specifier: './two.ts', typeOnly: true },
      { specifier: './three.ts', typeOnly: false },
      { specifier: './four.ts', typeOnly: true },
      { specifier: './five.ts', typeOnly: false },
      { specifier: './six.ts', typeOnly: true },
      { specifier: './seven.ts', typeOnly: false },
    ]);
  });
});

describe('circlesOf', () => {
  it('names every circle once, by the shortest way', () => {
    const imports = new Map([
      ['a', ['b', 'c']],
      ['b', ['c', 'd']],
      ['c', ['a']],
      ['d', ['e']],
      ['e', ['f']],
      ['f', ['d', 'g']],
      ['g', []],
      ['h', ['a', 'h']],
    ]);
    expect(circlesOf(imports)).toEqual(['a → c → a', 'b → c → a → b', 'd → e → f → d', 'h → h']);
  });
});

describe('import order', () => {
  it('lists exactly the folders of src', () => {
    expect([...folders].sort()).toEqual([...new Set(files.map(folderOf))].filter((folder) => folder !== 'src').sort());
  });

  it('has only files that exist as targets', () => {
    const missing = files.flatMap((file) =>
      (importsByFile.get(file) ?? [])
        .filter(isRelative)
        .map((one) => targetOf(file, one))
        .filter((target) => !importsByFile.has(target))
        .map((target) => `${file} → ${target}`),
    );
    expect(missing).toEqual([]);
  });

  it.each(folders)('%s imports only from folders above it', (folder) => {
    const allowed = folders.slice(0, folders.indexOf(folder) + 1);
    const wrong = files
      .filter((file) => folderOf(file) === folder)
      .flatMap((file) =>
        (importsByFile.get(file) ?? [])
          .filter(isRelative)
          .map((one) => targetOf(file, one))
          .filter((target) => target !== errorsFile && !allowed.includes(folderOf(target)))
          .map((target) => `${file} → ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  it('has no circles between files, type imports included', () => {
    const targets = [...importsByFile].map(([file, imports]): [string, string[]] => [
      file,
      imports.filter(isRelative).map((one) => targetOf(file, one)),
    ]);
    expect(circlesOf(new Map(targets))).toEqual([]);
  });

  it('lets the errors stand alone', () => {
    expect(importsByFile.get(errorsFile)).toEqual([]);
  });
});

/** Files and folders of a browser folder that are for Node, as its note in the table says. */
const forNode = (note: string): string[] => [...note.matchAll(/`([^`]+)`/g)].map(([, path]) => `src/${path}`);

const browserRows = rows.flatMap(({ folder, note }) =>
  note === undefined ? [] : [{ folder, note, excepted: forNode(note) }],
);

const liesIn = (file: string, path: string): boolean => file === `${path}.ts` || file.startsWith(`${path}/`);

describe('what runs in a browser', () => {
  it.each(browserRows)('$folder says so, and what of it is not', ({ note, excepted }) => {
    expect(note).toMatch(/^\*browser\*(?:: all but `[^`]+`(?:, `[^`]+`)*)?$/);
    expect(excepted.filter((path) => !files.some((file) => liesIn(file, path)))).toEqual([]);
  });

  it.each(browserRows)('$folder reaches nothing of Node', ({ folder, excepted }) => {
    const own = files.filter((file) => liesIn(file, folder) && !excepted.some((path) => liesIn(file, path)));
    expect(own).not.toEqual([]);
    const wrong = own.flatMap((file) =>
      [...reachedFrom(file)].filter(([target]) => isForeign(target)).map(([, way]) => way.join(' → ')),
    );
    expect(wrong).toEqual([]);
  });

  it.each(browserRows)('$folder excepts only what needs Node', ({ excepted }) => {
    const needless = excepted.filter((path) =>
      files.filter((file) => liesIn(file, path)).every((file) => ![...reachedFrom(file).keys()].some(isForeign)),
    );
    expect(needless).toEqual([]);
  });
});

/** Source files of the package's entries, by their names in `package.json`. */
const entries = new Map(
  Object.entries((JSON.parse(readFileSync('package.json', 'utf8')) as Manifest).exports).flatMap(([name, target]) =>
    typeof target === 'string' ? [] : [[name, target.default.replace(/^\.\/dist\/(.*)\.js$/, 'src/$1.ts')] as const],
  ),
);

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
}

/** What an entry loads at run time: top folders of this project, and packages. */
function reachedBy(entry: string): string[] {
  const reached = [...reachedFrom(entries.get(entry) ?? '').keys()];
  const named = reached.map((target) => (importsByFile.has(target) ? folderOf(target) : target));
  return [...new Set(named)].filter((name) => name !== 'src').sort();
}

describe('the package’s entries', () => {
  it('are those of src/entries, and those of folders', () => {
    const own = files.filter((file) => file.startsWith('src/entries/'));
    expect([...entries.values()].filter((file) => !importsByFile.has(file))).toEqual([]);
    expect(own.filter((file) => ![...entries.values()].includes(file))).toEqual([]);
  });

  it.each(['./graph', './onnx', './runtime/web', './networks', './search'])('%s runs in a browser', (entry) => {
    expect(reachedBy(entry).filter((name) => isForeign(name))).toEqual([]);
  });

  const small = ['src/graph', 'src/onnx', 'src/runtime'];
  const model = [
    'src/checkpoints',
    'src/cost',
    'src/data',
    'src/loading',
    'src/networks',
    'src/nn',
    'src/options',
    'src/reduction',
  ];
  it.each([
    ['./graph', ['src/graph', 'src/onnx']],
    ['./onnx', ['src/onnx']],
    ['./runtime/web', ['src/onnx', 'src/runtime']],
    ['./networks', [...small, ...model, 'src/execution']],
    ['./search', [...small, ...model, 'src/execution', 'src/objectives', 'src/search']],
  ])('%s reaches nothing but what it is about', (entry, folders) => {
    const allowed = ['src/entries', ...folders];
    const others = reachedBy(entry).filter((name) => name.startsWith('src/') && !allowed.includes(name));
    expect(others).toEqual([]);
  });

  it('. reaches neither training nor comparison, nor reports, nor the program', () => {
    const others = [
      'src/training',
      'src/comparison',
      'src/report',
      'src/cli',
      'citty',
      '@observablehq/plot',
      'linkedom',
    ];
    expect(reachedBy('.').filter((name) => others.includes(name))).toEqual([]);
  });
});

/** A spelling of what one place alone is to know. */
interface Spelling {
  readonly pattern: RegExp;
  /** What to write instead, and why. */
  readonly instead: string;
  /** Files and folders in which it may stand. */
  readonly mayStand: readonly string[];
}

const layoutFile = 'src/reduction/token-layout.ts';
const networksFolder = 'src/networks/';
const visionTransformers = 'src/networks/vision-transformer/';

/**
 * Spellings of a square image of three channels with one class token, read by a softmax. A network
 * may have any prefix and grid, any channels, and be of any family: what was once written for one
 * kind of network must not come back in all the others' code.
 */
const spellings: readonly Spelling[] = [
  {
    pattern: /\b(?:classToken|hasClassToken)\w*/,
    instead: 'Ask `layout.prefix`, or `importanceFrom`: there may be several prefix tokens, or none.',
    mayStand: [layoutFile, networksFolder],
  },
  {
    pattern: /\bkeepFirst\w*/,
    instead: 'Give the layout: `keepFirst` knew of one token.',
    mayStand: [],
  },
  {
    pattern: /\b(?:position|token)\s*(?:===|!==|>)\s*0(?![.\w])/,
    instead: 'Use `perToken` of the layout: the prefix is not always the token at position 0.',
    mayStand: [layoutFile],
  },
  {
    pattern: /\b\w*[tT]okens\s*-\s*1\b/,
    instead: 'Use `gridTokens(layout)`: tokens less one are the patches of one kind of network.',
    // In masks it is the last position, which stands in where nothing goes.
    mayStand: [layoutFile, 'src/execution/masks.ts'],
  },
  {
    pattern: /\bpatchCount\b/,
    instead: 'Use `gridTokens(layout)`.',
    mayStand: [],
  },
  {
    pattern: /Math\.sqrt\([^)]*(?:[tT]okens|[pP]atches)/,
    instead: 'Use `layout.grid`: a grid may be oblong.',
    // A checkpoint of another size is guessed to be square, for an error sentence.
    mayStand: [`${visionTransformers}checkpoint.ts`],
  },
  {
    pattern: /\b(?:inputSize|imageSize|cropSize)\s*(?:\*\*\s*2|\*\s*(?:inputSize|imageSize|cropSize))/,
    instead: 'Use `pixelCount(network.input)`: inputs may be oblong.',
    mayStand: [],
  },
  {
    pattern: /\bcropSize\b/,
    instead: 'Use `preprocessing.crop`, which has a height and a width.',
    mayStand: [],
  },
  {
    pattern: /\[(?:'batch'|batch|images|count), 3,/,
    instead: 'Use `pixelInput(network)`, or `network.input.channels`.',
    mayStand: [],
  },
  {
    pattern: /\b3 \* (?:inputSize|imageSize|cropSize|height|width|side)\b/,
    instead: 'Use `pixelCount(network.input)`: an image may have other channels.',
    // Pixels of decoded images are always RGB; the fused weight of queries, keys and values is 3C
    // wide.
    mayStand: ['src/data/', 'src/report/', `${networksFolder}transformer-block.ts`],
  },
  {
    pattern: /\bVisionTransformerConfiguration\b/,
    instead: 'Ask the network: what a family is made of is nobody else’s to know.',
    // The registry declares networks, and an entry offers the type.
    mayStand: [visionTransformers, `${networksFolder}registry.ts`, 'src/entries/networks.ts'],
  },
  {
    pattern: /\bfamily\s*[!=]==/,
    instead: 'Ask the network what it has or reads: a switch over families forgets the next one.',
    mayStand: [],
  },
  {
    pattern: /\bpool\s*[!=]==/,
    instead: 'Ask what the network `reads`.',
    mayStand: [visionTransformers],
  },
];

/** A source text without comments, line by line. */
function codeLines(text: string): string[] {
  const blank = (comment: string): string => comment.replaceAll(/[^\n]/g, ' ');
  return text
    .replaceAll(/\/\*[\s\S]*?\*\//g, blank)
    .replaceAll(/(?<=^|\s)\/\/.*$/gm, blank)
    .split('\n');
}

/** Where a spelling stands in a source text though it may not: `file:line: what stands there`. */
function offendersIn(file: string, text: string, { pattern, mayStand }: Spelling): string[] {
  if (mayStand.some((place) => file === place || (place.endsWith('/') && file.startsWith(place)))) return [];
  return codeLines(text).flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : []));
}

describe('spellings that may stand in one place only', () => {
  const texts = files.map((file) => [file, readFileSync(file, 'utf8')] as const);

  it.each(spellings)('$pattern — $instead', (spelling) => {
    expect(texts.flatMap(([file, text]) => offendersIn(file, text, spelling))).toEqual([]);
  });

  it('are found in code, with file and line, and not in comments', () => {
    const text = `/** A classToken\n * classToken */\nconst a = 1; // classToken\nconst url = 'https://x/classToken';\n`;
    const [spelling] = spellings as [Spelling];
    expect(offendersIn('src/search/a.ts', text, spelling)).toEqual([
      "src/search/a.ts:4: const url = 'https://x/classToken';",
    ]);
    expect(offendersIn('src/networks/a.ts', text, spelling)).toEqual([]);
  });

  it('may stand only in places that exist', () => {
    const places = spellings.flatMap(({ mayStand }) => mayStand);
    expect(places.filter((place) => !files.some((file) => file === place || file.startsWith(place)))).toEqual([]);
  });

  const samples: readonly (readonly [spelling: string, code: string])[] = [
    ['classToken', 'if (hasClassToken) return'],
    ['keepFirst', 'sort(x, keepFirst)'],
    ['=== 0', 'position === 0 ? 1 : 2'],
    ['tokens - 1', 'const patches = tokens - 1'],
    ['patchCount', 'patchCount(configuration)'],
    ['a square grid', 'Math.sqrt(tokens - 1)'],
    ['a square input', 'inputSize ** 2'],
    ['cropSize', 'preprocessing.cropSize'],
    ['three channels', "['batch', 3, side, side]"],
    ['three channels in numbers', '3 * height * width'],
    ['a configuration', 'const c: VisionTransformerConfiguration = x'],
    ['a family', "configuration.family === 'hierarchical'"],
    ['a pooling', "pool === 'mean'"],
  ];
  it.each(samples)('are seen: %s', (_, code) => {
    expect(spellings.filter(({ pattern }) => pattern.test(code)).length).toBeGreaterThan(0);
  });
});
