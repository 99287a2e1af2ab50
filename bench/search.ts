/**
 * The default search on a thousand unlabelled images: time, memory, waiting, and what its schedules
 * are worth on other images.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openImageFolder } from '../src/data/open-image-folder.ts';
import { evaluateVariants } from '../src/evaluation/evaluate.ts';
import type { EvaluationResult, Variant } from '../src/evaluation/evaluation-options.ts';
import { readScheduleFile } from '../src/exporting/schedule-file.ts';
import { publishedSchedules } from '../src/reduction/published-schedules.ts';
import { dataPath, loadDeitTiny, modelName, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';
import { uniformNumber } from './uniform-number.ts';

const seeds = [0, 1, 2];
const folder = join('out', 'bench-search');

interface SearchReport {
  readonly gflops: number;
  readonly wallSeconds: number;
  readonly waitingShare: number;
  readonly peakMemoryBytes: number;
}

/**
 * DeiT-T to one or more budgets, three seeds, each search in a process of its own as a user would
 * run it.
 */
export const search: Measurement = {
  name: 'search',
  description: `diffrate search of DeiT-T on imagenet-calibration, default preset, seeds ${seeds.join(', ')}, KL on imagenet-val beside published schedules and a uniform rate (schedules stay in ${folder}; SEARCH_GFLOPS=0.655,0.7265 names other budgets than 0.8)`,
  needs: [weightsFile, 'imagenet-calibration', 'imagenet-val'],
  async run() {
    await mkdir(folder, { recursive: true });
    const model = await loadDeitTiny();
    const calibration = await openImageFolder(dataPath('imagenet-calibration'));
    const lines: string[] = [];
    const variants: Variant[] = publishedSchedules
      .filter(({ model, name }) => model === modelName && !name.includes('paper'))
      .map((schedule) => ({ schedule, scheduleName: schedule.name }));
    for (const target of (process.env['SEARCH_GFLOPS'] ?? '0.8').split(',')) {
      variants.push({
        // Merging as published, which suits it better than `patches`.
        schedule: uniformNumber(model, calibration, Number(target)),
        scheduleName: `uniform rate to ${target}`,
      });
      for (const seed of seeds) {
        const file = join(folder, `${target}-${seed}.json`);
        const { wallSeconds, peakMemoryBytes, waitingShare } = await searched(target, seed, file);
        const memory = `${(peakMemoryBytes / 1e9).toFixed(2)} GB resident`;
        lines.push(
          `${target}, seed ${seed}: ${wallSeconds.toFixed(0)} s from start to schedule, ${memory}, waiting ${(100 * waitingShare).toFixed(2)} %`,
        );
        variants.push({ schedule: await readScheduleFile(file), scheduleName: `searched to ${target}, seed ${seed}` });
      }
    }
    const images = await openImageFolder(dataPath('imagenet-val'));
    const results: EvaluationResult[] = [];
    // A few at a time fit into memory.
    for (let first = 0; first < variants.length; first += 6)
      results.push(...(await evaluateVariants(model, variants.slice(first, first + 6), { images: images })));
    for (const { schedule, gflops, kl, agreement, top1 } of results) {
      lines.push(
        `${schedule}: KL ${kl?.toFixed(5)}, agreement ${agreement?.toFixed(2)} %, top-1 ${top1?.toFixed(2)} % at ${gflops?.toFixed(4)} GFLOPs`,
      );
    }
    return lines;
  },
};

/** One search; one that is done already is not repeated. */
async function searched(target: string, seed: number, out: string): Promise<SearchReport> {
  const record = `${out}.taken`;
  if (existsSync(out) && existsSync(record)) return JSON.parse(await readFile(record, 'utf8')) as SearchReport;
  const options = {
    weights: dataPath(weightsFile),
    data: dataPath('imagenet-calibration'),
    gflops: target,
    seed: String(seed),
    out,
  };
  const given = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const command = ['dist/cli/main.js', 'search', modelName, ...given, '--json'];
  const start = performance.now();
  const { stdout } = await promisify(execFile)(process.execPath, command, { maxBuffer: 2 ** 26 });
  const report = {
    ...(JSON.parse(stdout) as Omit<SearchReport, 'wallSeconds'>),
    wallSeconds: (performance.now() - start) / 1000,
  };
  await writeFile(record, JSON.stringify(report));
  return report;
}
