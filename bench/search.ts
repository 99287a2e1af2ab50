/** The default search on a thousand unlabelled images: time, memory, waiting, and what its schedules are worth on other images. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openImageFolder } from '../src/data/image-folder.ts';
import { evaluateVariants } from '../src/evaluation/evaluate.ts';
import type { Variant } from '../src/evaluation/evaluate.ts';
import { readScheduleFile } from '../src/exporting/schedule-file.ts';
import { learnerOf, planOf } from '../src/search/plan.ts';
import { dataPath, loadDeitTiny, publishedSchedule, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

const target = 0.8;
const seeds = [0, 1, 2];

interface SearchReport {
  readonly gflops: number;
  readonly seconds: number;
  readonly waitingShare: number;
  readonly peakMemoryBytes: number;
}

/** DeiT-T to 0.8 GFLOPs, three seeds, each in a process of its own as a user would run it. */
export const search: Measurement = {
  name: 'search',
  description: `diffrate search of DeiT-T to ${target} GFLOPs on imagenet-calibration, default preset, KL on imagenet-val`,
  needs: [weightsFile, 'imagenet-calibration', 'imagenet-val'],
  async run() {
    const folder = await mkdtemp(join(tmpdir(), 'diffrate-bench-'));
    try {
      const lines: string[] = [];
      const variants: Variant[] = [{ schedule: await uniformRate(), scheduleName: 'uniform rate' }];
      variants.push({ schedule: publishedSchedule(), scheduleName: 'published' });
      for (const seed of seeds) {
        const file = join(folder, `seed-${seed}.json`);
        const start = performance.now();
        const report = await searchInProcess(seed, file);
        const wall = (performance.now() - start) / 1000;
        const memory = (report.peakMemoryBytes / 1e9).toFixed(2);
        const waiting = (100 * report.waitingShare).toFixed(2);
        lines.push(
          `seed ${seed}: ${wall.toFixed(0)} s from start to schedule, ${memory} GB resident, waiting ${waiting} %`,
        );
        variants.push({ schedule: await readScheduleFile(file), scheduleName: `seed ${seed}` });
      }
      const images = await openImageFolder(dataPath('imagenet-val'));
      for (const { schedule, gflops, kl, agreement, top1 } of await evaluateVariants(await loadDeitTiny(), variants, {
        folder: images,
      })) {
        lines.push(
          `${schedule}: KL ${kl?.toFixed(5)}, agreement ${agreement?.toFixed(2)} %, top-1 ${top1?.toFixed(2)} % at ${gflops?.toFixed(4)} GFLOPs`,
        );
      }
      return lines;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function searchInProcess(seed: number, out: string): Promise<SearchReport> {
  const options = {
    weights: dataPath(weightsFile),
    data: dataPath('imagenet-calibration'),
    gflops: String(target),
    seed: String(seed),
    out,
  };
  const given = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const command = ['dist/cli/main.js', 'search', 'deit_tiny_patch16_224', ...given, '--json'];
  const { stdout } = await promisify(execFile)(process.execPath, command);
  return JSON.parse(stdout) as SearchReport;
}

/** What the search starts from: every block keeps the same share and merges the rest. */
async function uniformRate(): Promise<{ pruneKept: readonly number[]; mergeKept: readonly number[] }> {
  const options = {
    model: await loadDeitTiny(),
    folder: await openImageFolder(dataPath('imagenet-calibration')),
    targetGflops: target,
    preset: 'small-data',
    seed: 0,
    resume: false,
  } as const;
  return learnerOf(planOf(options), target).finish();
}
