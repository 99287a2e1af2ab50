/** What a search of the small demo network is worth with one seed and with another. */
import { fileURLToPath } from 'node:url';
import { extent, median } from 'd3-array';
import { searchSchedule } from '../src/compress/search.ts';
import { baselineFlops, flopsPerGflop } from '../src/cost/flops.ts';
import { openImageFolder } from '../src/data/open-image-folder.ts';
import { evaluateVariants } from '../src/evaluation/evaluate.ts';
import type { Variant } from '../src/evaluation/evaluation-options.ts';
import { loadModel } from '../src/loading/load-model.ts';
import { uniformNumber } from './uniform-number.ts';
import type { Measurement } from './measurement.ts';

const seeds = [0, 1, 2, 3, 4];
const ratio = 0.6;
const images = (part: string): string =>
  fileURLToPath(new URL(`../examples/demo-model/images/${part}-images-idx3-ubyte.gz`, import.meta.url));

/** The demo's search, its schedules on images that it has not seen, beside a uniform rate. */
export const seedsOfDemo: Measurement = {
  name: 'seeds',
  description: `search of the demo network to ${ratio}, seeds ${seeds.join(', ')}, KL on the demo's evaluation images beside a uniform rate`,
  needs: [],
  async run() {
    const model = await loadModel('vit_demo_patch2_28');
    const calibration = await openImageFolder(images('calibration'));
    const gflops = (ratio * baselineFlops(model.network).total) / flopsPerGflop;
    const variants: Variant[] = [{ schedule: uniformNumber(model, calibration, gflops), scheduleName: 'uniform rate' }];
    for (const seed of seeds) {
      const { schedule } = await searchSchedule({ model, images: calibration, target: { ratio }, seed });
      variants.push({ schedule, scheduleName: `seed ${seed}` });
    }
    const results = await evaluateVariants(model, variants, { images: await openImageFolder(images('evaluation')) });
    const found = results.slice(1).map(({ kl }) => kl ?? NaN);
    const [least = NaN, greatest = NaN] = extent(found);
    return [
      ...results.map(({ schedule, kl }) => `${schedule}: KL ${kl?.toFixed(4)}`),
      `seeds: ${least.toFixed(4)} to ${greatest.toFixed(4)}, median ${median(found)?.toFixed(4)}`,
    ];
  },
};
