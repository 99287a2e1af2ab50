/**
 * A front of schedules in one search beside a search for each budget: time, and what the schedules
 * are worth on other images. All searches together take long, so the schedules stay in a folder,
 * and a run can be told which budgets to search apart.
 */
import { mean } from 'd3-array';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openImageFolder } from '../src/data/open-image-folder.ts';
import { evaluateVariants } from '../src/evaluation/evaluate.ts';
import { frontScheduleName, writeFront } from '../src/exporting/front-folder.ts';
import { readScheduleFile, writeScheduleFile } from '../src/exporting/schedule-file.ts';
import { searchFront } from '../src/search/front/front.ts';
import type { FrontOptions } from '../src/search/front/front-options.ts';
import { frontPlanOf, frontRatios } from '../src/search/front/front-plan.ts';
import { nodeRuntime } from '../src/runtime/node/runtime.ts';
import { searchSchedule } from '../src/search/search.ts';
import { formatSearchTime, keptSearch } from './kept-search.ts';
import type { SearchTime } from './kept-search.ts';
import { dataPath, loadDeitTiny, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

const range = { from: 0.9, to: 0.5, points: 8 };
const ratios = frontRatios(range);
const seed = Number(process.env['SEED'] ?? 0);
const folder = join('out', `bench-front-seed-${seed}`);

/** DeiT-T, eight budgets; `FRONT_POINTS=0,7` names those that are searched apart as well. */
export const front: Measurement = {
  name: 'front',
  description: `diffrate search --front ${range.from}:${range.to}:${range.points} of DeiT-T on imagenet-calibration beside single searches, KL on imagenet-val (schedules stay in ${folder}; FRONT_POINTS=0,7 names the budgets to search apart, default all; SEED=1 gives another seed)`,
  needs: [weightsFile, 'imagenet-calibration', 'imagenet-val'],
  async run() {
    const model = await loadDeitTiny();
    const options: FrontOptions = {
      model,
      images: await openImageFolder(dataPath('imagenet-calibration')),
      front: range,
      preset: 'small-data',
      seed,
      runtime: nodeRuntime,
      resume: true,
    };
    const frontFolder = join(folder, 'front');
    const whole = await keptSearch(frontFolder, async (progress) =>
      writeFront(frontFolder, await searchFront({ ...options, progress })),
    );
    const lines = [`front: ${formatSearchTime(whole)}`];
    const timesApart: SearchTime[] = [];
    const images = await openImageFolder(dataPath('imagenet-val'));
    const klOf = async (file: string): Promise<number> => {
      const [result] = await evaluateVariants(model, [{ schedule: await readScheduleFile(file), scheduleName: file }], {
        images: images,
      });
      return result?.kl ?? NaN;
    };
    for (const [point, { ratio, target }] of frontPlanOf(options).budgets.entries()) {
      const inFront = await klOf(join(frontFolder, frontScheduleName(ratio)));
      const start = `${ratio.toFixed(3)}: KL ${inFront.toFixed(5)} in the front`;
      const file = join(folder, frontScheduleName(ratio));
      if (!chosenPoints().includes(point) && !existsSync(file)) {
        lines.push(start);
        continue;
      }
      const apart = await keptSearch(file, async (progress) => {
        const { schedule } = await searchSchedule({
          ...options,
          target: { value: target, unit: 'GFLOPs' },
          progress,
        });
        await writeScheduleFile(file, schedule);
      });
      timesApart.push(apart);
      const own = await klOf(file);
      // Of a search that was continued only a part is known.
      const known = !whole.continued && !apart.continued;
      const dearer = known ? `, the front takes ${(whole.seconds / apart.seconds).toFixed(2)} times that` : '';
      lines.push(
        `${start}, ${own.toFixed(5)} apart (KL ratio ${(inFront / own).toFixed(3)}); apart ${formatSearchTime(apart)}${dearer}`,
      );
    }
    if (timesApart.length > 0 && ![whole, ...timesApart].some(({ continued }) => continued))
      lines.push(besideMean(whole, timesApart));
    return lines;
  },
};

/** By the clock and by the processor, which other work on the machine disturbs less. */
function besideMean(whole: SearchTime, apart: readonly SearchTime[]): string {
  const times = (of: (time: SearchTime) => number): string => (of(whole) / (mean(apart, of) ?? NaN)).toFixed(2);
  const [seconds, processor] = [times((time) => time.seconds), times((time) => time.processorSeconds)];
  return `the front takes ${seconds} times the mean of ${apart.length} searches apart, ${processor} times by the processor`;
}

function chosenPoints(): number[] {
  const given = process.env['FRONT_POINTS'];
  return given === undefined ? [...ratios.keys()] : given.split(',').map(Number);
}
