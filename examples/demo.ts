/**
 * `npm run demo`: compresses DeiT-T by the command `diffrate compress` in a setting that is short enough to watch. It needs a folder
 * with weights and images, which `DIFFRATE_DATA` names (default `../shared/data`). The schedule of so few steps is not a good one.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const data = process.env['DIFFRATE_DATA'] ?? join(root, '../shared/data');
const program = join(root, 'dist/cli/main.js');
const weights = join(data, 'weights/deit_tiny_patch16_224.safetensors');
const searched = join(data, 'imagenet-calibration');
const evaluated = join(data, 'imagenet-val');

const options = {
  weights,
  data: searched,
  'eval-data': evaluated,
  gflops: '0.8',
  steps: '40',
  limit: '200',
  out: join(root, 'out/demo'),
};

/** The command, as one would type it. */
const command = [
  'compress',
  'deit_tiny_patch16_224',
  ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
];

/** What is missing, and how to mend it, in one sentence; `undefined` where all is there. */
function missing(): string | undefined {
  if (!existsSync(program)) return `${program} is missing: make it with "npm run build".`;
  const absent = [weights, searched, evaluated].filter((path) => !existsSync(path));
  if (absent.length === 0) return undefined;
  return (
    `The demo's data is not there (${absent.map((path) => resolve(path)).join(', ')}): set DIFFRATE_DATA to a folder with ` +
    'weights/deit_tiny_patch16_224.safetensors and the image folders imagenet-calibration and imagenet-val.'
  );
}

function main(): number {
  const sentence = missing();
  if (sentence !== undefined) {
    console.error(`error: ${sentence}`);
    return 1;
  }
  console.log(`$ npx diffrate ${command.join(' ')}\n`);
  const { status } = spawnSync(process.execPath, [program, ...command], { stdio: 'inherit' });
  if (status !== 0) return status ?? 1;
  console.log('\nThe model folder is out/demo; README.md says how transformers.js and ONNX Runtime load it.');
  return 0;
}

process.exitCode = main();
