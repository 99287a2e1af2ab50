/**
 * `npm run demo`: the main job on the small network and the images that come with this package
 * (`demo-model/`): search, export, evaluation, report, without a network, by the command
 * `diffrate compress`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const program = join(root, 'dist/cli/main.js');
const fromHere = (path: string): string => relative(process.cwd(), join(root, path));
const out = fromHere('out/demo');

const options = {
  data: fromHere('examples/demo-model/images/calibration-images-idx3-ubyte.gz'),
  'eval-data': fromHere('examples/demo-model/images/evaluation-images-idx3-ubyte.gz'),
  ratio: '0.6',
  out,
};

/** The command, as one would type it. */
const command = [
  'compress',
  'vit_demo_patch2_28',
  ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
];

function main(): number {
  if (!existsSync(program)) {
    console.error(`error: ${program} is missing: make it with "npm run build".`);
    return 1;
  }
  console.log(`$ npx diffrate ${command.join(' ')}\n`);
  const { status } = spawnSync(process.execPath, [program, ...command], { stdio: 'inherit' });
  if (status !== 0) return status ?? 1;
  console.log(`\nThe model folder is ${out}: README.md there says how to load it, report.html shows what was done.`);
  return 0;
}

process.exitCode = main();
