/**
 * Programs of others in strict TypeScript: the packed files with what the package depends on, and
 * nothing else. Every declaration file that the entries reach is checked (`skipLibCheck: false`),
 * by the oldest TypeScript that the package supports and by the newest.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packedFiles, runtimeDependencies } from './packed-files.ts';

const run = promisify(execFile);

/** A program, what it is compiled with, and which packages it has besides the usual ones. */
interface Consumer {
  readonly sources: readonly string[];
  readonly compilerOptions: Readonly<Record<string, unknown>>;
  readonly packages: readonly string[];
}

/** Node's types have `AbortSignal`, `Blob` and `fetch`: a program in Node needs no DOM. */
const consumers: Readonly<Record<'node' | 'browser', Consumer>> = {
  node: {
    sources: ['test/entries/consumer/parts.ts', 'test/entries/consumer/node.ts'],
    compilerOptions: { lib: ['ES2022'], types: ['node'] },
    packages: ['@types/node', 'undici-types'],
  },
  browser: {
    sources: ['test/entries/consumer/parts.ts', 'test/entries/consumer/browser.ts', 'examples/search-page/main.ts'],
    compilerOptions: { lib: ['ES2022', 'DOM'], types: [] },
    packages: ['onnxruntime-web'],
  },
};

/** Browsers' bundlers and Node find modules in different ways. */
const resolutions = [
  { module: 'node16', moduleResolution: 'node16' },
  { module: 'esnext', moduleResolution: 'bundler' },
];

const kinds = ['node', 'browser'] as const;

/** Each compiler has every choice once, in two programs; a program takes it half a minute. */
const projects = kinds.flatMap((kind) =>
  resolutions.map((resolution) => {
    const exact = resolution === resolutions[0];
    return { compiler: (kind === 'node') === exact ? 'typescript-5.2' : 'typescript-newest', kind, resolution, exact };
  }),
);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffrate-consumer-'));
  const [files, dependencies] = await Promise.all([packedFiles(), runtimeDependencies()]);
  for (const kind of kinds) {
    const { sources, packages } = consumers[kind];
    const modules = join(folder, kind, 'node_modules');
    for (const file of files) await cp(file, join(modules, 'diffrate', file));
    for (const name of [...dependencies, ...packages]) {
      await mkdir(dirname(join(modules, name)), { recursive: true });
      await symlink(resolve('node_modules', name), join(modules, name));
    }
    for (const source of sources) await cp(source, join(folder, kind, source.split('/').at(-1) as string));
    await writeFile(join(folder, kind, 'package.json'), '{ "type": "module" }');
  }
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Two compilers at a time. */
const lanes: Promise<unknown>[] = [Promise.resolve(), Promise.resolve()];

function inLane<Result>(lane: number, work: () => Promise<Result>): Promise<Result> {
  const done = (lanes[lane] as Promise<unknown>).then(work);
  lanes[lane] = done.catch(() => {});
  return done;
}

describe('a strict consumer', { timeout: 240_000 }, () => {
  it.concurrent.each(projects)(
    '$compiler, $kind, $resolution.moduleResolution, exactOptionalPropertyTypes $exact',
    async ({ compiler, kind, resolution, exact }) => {
      const project = join(folder, kind, `tsconfig.${compiler}.${resolution.module}.${exact}.json`);
      const compilerOptions = {
        ...consumers[kind].compilerOptions,
        ...resolution,
        exactOptionalPropertyTypes: exact,
        target: 'ES2022',
        strict: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        noEmit: true,
        allowImportingTsExtensions: true,
      };
      await writeFile(project, JSON.stringify({ compilerOptions, include: ['*.ts'] }));
      expect(await inLane(exact ? 0 : 1, () => complaintsOf(compiler, project))).toBe('');
    },
  );

  it('asks every entry of the package', async () => {
    const { exports } = JSON.parse(await readFile('package.json', 'utf8')) as { exports: Record<string, unknown> };
    const entries = Object.entries(exports).flatMap(([name, files]) => (typeof files === 'string' ? [] : [name]));
    const texts = await Promise.all(
      Object.values(consumers).flatMap(({ sources }) => sources.map((source) => readFile(source, 'utf8'))),
    );
    const asked = (entry: string): boolean =>
      texts.some((text) => text.includes(`'${entry.replace('.', 'diffrate')}'`));
    expect(entries.filter((entry) => !asked(entry))).toEqual([]);
  });
});

/** What a compiler says of a project. */
async function complaintsOf(compiler: string, project: string): Promise<string> {
  const program = resolve('node_modules', compiler, 'bin/tsc');
  try {
    return (await run(process.execPath, [program, '-p', project])).stdout;
  } catch (error) {
    const { stdout, message } = error as { readonly stdout?: string; readonly message: string };
    return stdout === undefined || stdout === '' ? message : stdout;
  }
}
