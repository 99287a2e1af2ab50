/**
 * The import order of `docs/architecture.md`, and that what is to run in a browser reaches nothing of Node's. The table of folders
 * in that document is the only list: a folder that is missing there, or is not there any more, fails as well.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, normalize, relative } from 'node:path/posix';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

interface Import {
  readonly specifier: string;
  /** Erased by the compiler: `import type`, `export type`. */
  readonly typeOnly: boolean;
}

/** Files that stand beside the folders: anyone may import the errors; the entry is for users alone. */
const errorsFile = 'src/errors.ts';
const entryFile = 'src/index.ts';

/** Packages that run in a browser as well as in Node. */
const portablePackages = ['valibot', 'onnxruntime-web/webgpu'];

const browserFolders = [
  'src/onnx',
  'src/graph',
  'src/runtime/web',
  'src/nn',
  'src/reduction',
  'src/models',
  'src/cost',
];

/** `src/…` paths of the table's first column, in order. */
const folders = [...readFileSync('docs/architecture.md', 'utf8').matchAll(/^\| `(src\/[a-z]+)`/gm)].map(
  ([, folder]) => folder as string,
);

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

describe('import order', () => {
  it('lists exactly the folders of src', () => {
    expect([...folders].sort()).toEqual([...new Set(files.map(folderOf))].filter((folder) => folder !== 'src').sort());
  });

  it('has only files that exist as targets', () => {
    const missing = files.flatMap((file) =>
      (importsByFile.get(file) ?? [])
        .filter(isRelative)
        .map((one) => targetOf(file, one))
        .filter((target) => !importsByFile.has(target) && target !== entryFile)
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

  it('lets the errors stand alone', () => {
    expect(importsByFile.get(errorsFile)).toEqual([]);
  });
});

describe('what runs in a browser', () => {
  it.each(browserFolders)('%s reaches nothing of Node', (folder) => {
    const own = files.filter((file) => !relative(folder, file).startsWith('..'));
    expect(own).not.toEqual([]);
    const wrong = own.flatMap((file) =>
      [...reachedFrom(file)].filter(([target]) => isForeign(target)).map(([, way]) => way.join(' → ')),
    );
    expect(wrong).toEqual([]);
  });
});
