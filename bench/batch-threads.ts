/** What it brings to share a batch out over threads by images, instead of every operator. */
import { timeAlternately } from '../src/evaluation/alternate.ts';
import { randomPixels } from '../src/evaluation/throughput.ts';
import { NetworkSession } from '../src/execution/network-session.ts';
import { diffRate } from '../src/reduction/methods/diffrate.ts';
import { nodeRuntime } from '../src/runtime/node/runtime.ts';
import {
  formatMilliseconds,
  loadDeitTiny,
  pairedRatio,
  publishedSchedule,
  timing,
  weightsFile,
} from './measurement.ts';
import type { Measurement } from './measurement.ts';

const batch = 16;

/** DeiT-T, plain and with the published 0.8 schedule. */
export const batchThreads: Measurement = {
  name: 'batch-threads',
  description: `DeiT-T at batch ${batch}, plain and with the published 0.8 G schedule: threads share every operator, or the images`,
  needs: [weightsFile],
  async run() {
    const model = await loadDeitTiny();
    const pixels = randomPixels(model.network, batch, 0);
    const reducer = diffRate(publishedSchedule(), model.network);
    const lines: string[] = [];
    for (const [name, reduced] of [['plain', undefined] as const, ['compressed', reducer] as const]) {
      const options = { runtime: nodeRuntime, reducer: reduced };
      const byOperators = await NetworkSession.load(model, options);
      const byImages = await NetworkSession.load(model, { ...options, batch });
      const times = await timeAlternately([() => byOperators.run(pixels), () => byImages.run(pixels)], timing);
      const [operators = '', images = ''] = times.map(({ milliseconds }) => formatMilliseconds(milliseconds));
      lines.push(
        `${name}: operators shared ${operators}, images shared ${images}, ${pairedRatio(times).toFixed(3)}× as fast`,
      );
      await byOperators.dispose();
      await byImages.dispose();
    }
    return lines;
  },
};
