/** What one can do with a compressed network, as lines to copy: programs and commands. */
import { isAbsolute, join } from 'node:path';
import type { CompressionResult } from '../compress/compress-options.ts';
import { onnxRuntimeCode, transformersCode } from '../exporting/usage-code.ts';
import type { LoadedModel } from '../loading/model-from-files.ts';
import type { NextStep } from '../report/sections/next-steps.ts';
import { shellWord } from './provenance.ts';

/** What was typed. */
export interface TypedCompression {
  /** The model as it was named. */
  readonly model: string;
  readonly weights?: string | undefined;
  /** All arguments of the program, the command first. */
  readonly rawArguments: readonly string[];
}

/** By how much a smaller budget is smaller. */
const nextShare = 0.85;

/** The steps, the nearest first. */
export function nextSteps(
  model: LoadedModel,
  { directory, schedule, search, precisions }: CompressionResult,
  typed: TypedCompression,
): NextStep[] {
  const dtype = precisions[0]?.dtype ?? 'fp32';
  const usage = { model, folder: relativePath(directory), dtype };
  const named = [typed.model, ...(typed.weights === undefined ? [] : ['--weights', typed.weights])];
  const diffrate = (...words: readonly string[]): string => ['npx', 'diffrate', ...words].map(shellWord).join(' ');
  const gflops = String(Number(((schedule.gflops ?? NaN) * nextShare).toPrecision(3)));
  const smaller = `${directory.replace(/[/\\]+$/, '')}-smaller`;
  return [
    { title: 'With transformers.js, in Node or in a page', code: transformersCode(usage) },
    {
      title: 'With ONNX Runtime alone',
      words: 'The calls are the same with onnxruntime-web in a page.',
      code: onnxRuntimeCode(usage),
    },
    {
      title: 'On other images',
      words: 'Figures on images that were not searched on are worth most.',
      code: diffrate('eval', ...named, '--schedule', join(directory, 'schedule.json'), '--data', 'OTHER-IMAGES'),
    },
    ...(Number.isNaN(Number(gflops))
      ? []
      : [
          {
            title: 'A smaller budget',
            ...(search === null && { words: 'Name a folder of some hundred images to search on.' }),
            code: diffrate(
              ...withoutOptions(typed.rawArguments),
              ...(search === null ? ['--data', 'IMAGES'] : []),
              '--gflops',
              gflops,
              '--out',
              smaller,
            ),
          },
        ]),
  ];
}

/** A path that JavaScript does not take for a hub id or a package. */
function relativePath(directory: string): string {
  return isAbsolute(directory) || /^\.{1,2}(?:[/\\]|$)/.test(directory) ? directory : `./${directory}`;
}

const replaced: ReadonlySet<string> = new Set(['--gflops', '--ratio', '--out']);
const dropped: ReadonlySet<string> = new Set(['--resume', '--restart', '--json']);

/** The arguments without those that another budget has in their place. */
function withoutOptions(rawArguments: readonly string[]): string[] {
  return rawArguments.filter((argument, index) => {
    const [name = ''] = argument.split('=');
    return !replaced.has(name) && !dropped.has(name) && !replaced.has(rawArguments[index - 1] ?? '');
  });
}
