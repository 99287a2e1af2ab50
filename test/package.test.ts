/**
 * The package as its users see it: every entry of package.json's `exports` loads in plain Node, and
 * `diffrate/graph` does its work.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { describe, expect, it } from 'vitest';

interface Manifest {
  readonly name: string;
  readonly files: readonly string[];
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
const entries = Object.entries(manifest.exports).filter(([, files]) => typeof files !== 'string');

/**
 * Runs a module in a Node of its own, which finds this package by its name, and parses what it
 * prints.
 */
async function runModule(text: string): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', text]);
  return JSON.parse(stdout);
}

describe('package entries', () => {
  it.each(entries)('%s has code and types, and loads', async (name, files) => {
    expect(Object.keys(files)).toEqual(['types', 'default']);
    for (const file of Object.values(files)) expect(existsSync(file), `${file} (npm run build makes it)`).toBe(true);
    const names = await runModule(
      `console.log(JSON.stringify(Object.keys(await import('${name.replace('.', manifest.name)}'))))`,
    );
    expect(names).not.toEqual([]);
  });

  it('are what tools expect of a package', async () => {
    const { messages, pkg } = await publint({ pkgDir: '.', strict: true });
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
  });

  it('offers the schemas of what it prints and writes', async () => {
    const title = await runModule(`
      import { createRequire } from 'node:module';
      const schedule = createRequire(process.cwd() + '/')('diffrate/schemas/schedule.schema.json');
      console.log(JSON.stringify(schedule.title))`);
    expect(title).toMatch(/schedule\.json/);
    expect(manifest.files).toContain('schemas');
  });

  it('offers the main job as a library', async () => {
    const names = await runModule(`console.log(JSON.stringify(Object.keys(await import('diffrate'))))`);
    expect(names).toEqual(
      expect.arrayContaining([
        'compress',
        'loadModel',
        'searchSchedule',
        'exportModel',
        'evaluateModel',
        'measureThroughput',
      ]),
    );
  });

  it('differentiates and runs a graph of a user’s own', async () => {
    const result = await runModule(`
      import { nodeRuntime, floats } from 'diffrate';
      import { gradients, input, lower, mul, reduceSum } from 'diffrate/graph';
      const x = input('x', 'float32', [3]);
      const loss = reduceSum(mul(x, mul(x, x)), [0]);
      const [gradient] = gradients(loss, [x]);
      const session = await nodeRuntime.load(lower({ loss, gradient }, [x]));
      const results = await session.run({ x: floats(Float32Array.of(1, 2, -3), [3]) });
      await session.dispose();
      console.log(JSON.stringify([[...results.loss.data], [...results.gradient.data]]));`);
    expect(result).toEqual([[-18], [3, 12, 27]]);
  });
});

describe('the graph engine’s entry', () => {
  it('has every operator', async () => {
    const names = await runModule(`console.log(JSON.stringify(Object.keys(await import('diffrate/graph'))))`);
    const operators = await runModule(
      `console.log(JSON.stringify(Object.keys(await import(new URL('dist/graph/operators/index.js', 'file://' + process.cwd() + '/').href))))`,
    );
    expect(names).toEqual(expect.arrayContaining(operators as string[]));
  });
});
