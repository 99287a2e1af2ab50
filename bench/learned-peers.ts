/**
 * Methods whose predictors or thresholds are trained, beside DiffRate, at about the same FLOPs: on
 * the demo's network, since on ImageNet they need days. All are trained with the same recipe on the
 * same images, without labels, through the command line.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fashionMnist } from '../examples/demo-model/fashion-mnist.ts';
import type { Measurement } from './measurement.ts';

const model = 'vit_demo_patch2_28';
const images = 'examples/demo-model/images';
const ratio = '0.65';
const training = ['--data', fashionMnist.training, '--limit', '3000', '--epochs', '1'];
const batches = ['--batch', '32', '--learning-rate', '5e-5'];

/**
 * Settings that leave about 0.65 of the FLOPs. LTMP trains thresholds alone, with its own learning
 * rates.
 */
const peers: readonly (readonly [string, readonly string[]])[] = [
  ['dynamicvit:keep=0.78', batches],
  ['evovit:keep=0.62', batches],
  ['spvit:keep=0.78/0.6/0.45', batches],
  [`ltmp:target=${ratio}`, ['--batch', '16']],
];

interface Evaluated {
  readonly gflops: number;
  readonly top1: number;
  readonly agreement: number;
  readonly kl: number;
}

/** The demo's network, one epoch of 3,000 images of Fashion-MNIST. */
export const learnedPeers: Measurement = {
  name: 'learned-peers',
  description: `methods that are trained, and DiffRate, at about ${ratio} of the FLOPs of ${model}; top-1, agreement and KL (to the network before training) on ${images}`,
  needs: [],
  async run() {
    if (!existsSync(fashionMnist.training)) {
      return [
        `SKIPPED: ${fashionMnist.training} is missing (Debian's package dataset-fashion-mnist, or the folder FASHION_MNIST)`,
      ];
    }
    const folder = await mkdtemp(join(tmpdir(), 'diffrate-peers-'));
    try {
      const lines = [format('uncompressed', await evaluated([model]))];
      const schedule = join(folder, 'schedule.json');
      const calibration = join(images, 'calibration-images-idx3-ubyte.gz');
      await command('search', model, '--data', calibration, '--ratio', ratio, '--out', schedule);
      lines.push(format('diffrate', await evaluated([model, '--schedule', schedule])));
      const tuned = join(folder, 'diffrate');
      await command('finetune', model, '--schedule', schedule, ...training, ...batches, '--out', tuned);
      const [itself, network] = [
        ['--schedule', schedule],
        ['--reference', model],
      ];
      lines.push(format('diffrate, fine-tuned', await evaluated([tuned, ...itself, ...network])));
      for (const [index, [method, settings]] of peers.entries()) {
        const out = join(folder, `peer-${index}`);
        await command('finetune', model, '--method', method, ...training, ...settings, '--out', out);
        lines.push(format(method, await evaluated([out, ...network])));
      }
      return lines;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function command(...given: readonly string[]): Promise<unknown> {
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ['dist/cli/main.js', ...given, '--json'], { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout);
}

async function evaluated(network: readonly string[]): Promise<Evaluated> {
  const data = join(images, 'evaluation-images-idx3-ubyte.gz');
  return (await command('eval', ...network, '--data', data)) as Evaluated;
}

const format = (name: string, { gflops, top1, agreement, kl }: Evaluated): string =>
  `${name}: ${gflops.toFixed(4)} GFLOPs, top-1 ${top1.toFixed(1)} %, agreement ${agreement.toFixed(1)} %, KL ${kl.toFixed(4)}`;
