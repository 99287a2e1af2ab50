/**
 * `npm run train:demo`: trains the demo's model (`demo-model/`) from scratch on Fashion-MNIST, as
 * it was trained, by the command `diffrate train`. What is given after `--` is passed on
 * (`-- --epochs 1`). Without it, it takes an hour or more on two cores.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fashionMnist } from './demo-model/fashion-mnist.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const program = join(root, 'dist/cli/main.js');
const fromHere = (path: string): string => relative(process.cwd(), join(root, path));

const options = {
  config: fromHere('examples/demo-model/training.json'),
  data: fashionMnist.training,
  'eval-data': fashionMnist.test,
  dtype: 'fp16',
  out: fromHere('out/demo-model'),
};

/** The command, as one would type it. */
const command = [
  'train',
  ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
  ...process.argv.slice(2),
];

/** What is missing, and how to mend it, in one sentence; `undefined` where all is there. */
function missing(): string | undefined {
  if (!existsSync(program)) return `${program} is missing: make it with "npm run build".`;
  const absent = Object.values(fashionMnist).filter((path) => !existsSync(path));
  if (absent.length === 0) return undefined;
  return `Fashion-MNIST is not there (${absent.join(', ')}): install Debian's package dataset-fashion-mnist, or set FASHION_MNIST to a folder with its four files.`;
}

function main(): number {
  const sentence = missing();
  if (sentence !== undefined) {
    console.error(`error: ${sentence}`);
    return 1;
  }
  console.log(`$ npx diffrate ${command.join(' ')}\n`);
  const { status } = spawnSync(process.execPath, [program, ...command], { stdio: 'inherit' });
  return status ?? 1;
}

process.exitCode = main();
