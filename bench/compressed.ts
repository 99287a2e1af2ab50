/** How much of what a schedule saves in FLOPs it saves in time. */
import { measureThroughput } from '../src/evaluation/throughput.ts';
import { loadDeitTiny, publishedSchedule, timing, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

/** DeiT-T with the published 0.8 schedule, batches 16 and 1. */
export const compressed: Measurement = {
  name: 'compressed',
  description: 'speed-up of the published 0.8 G schedule as a share of the ratio of FLOPs really computed, DeiT-T',
  needs: [weightsFile],
  async run() {
    const runs = await measureThroughput(await loadDeitTiny(), {
      ...timing,
      schedule: publishedSchedule(),
      batches: [16, 1],
    });
    return runs.map(({ batch, baselineImagesPerSecond, imagesPerSecond, speedup, flopsRatio }) => {
      const share = (100 * speedup) / flopsRatio;
      const rates = `plain ${baselineImagesPerSecond.toFixed(1)} images/s, compressed ${imagesPerSecond.toFixed(1)} images/s`;
      return `batch ${batch}: ${rates}, speed-up ${speedup.toFixed(3)}, FLOPs ratio ${flopsRatio.toFixed(3)}, share ${share.toFixed(1)} %`;
    });
  },
};
