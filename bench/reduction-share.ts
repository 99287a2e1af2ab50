/** Which share of a compressed forward pass goes into sorting, pruning and merging. */
import { scopeShare } from '../src/runtime/profile.ts';
import { profileCompressed } from './compressed-profile.ts';
import { loadDeitTiny, publishedSchedule, timing, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

/** DeiT-T with the published 0.8 schedule, batches 16 and 1. */
export const reductionShare: Measurement = {
  name: 'reduction-share',
  description:
    'share of the compressed forward pass in sorting, pruning and merging (published 0.8 G schedule), DeiT-T',
  needs: [weightsFile],
  async run() {
    const lines: string[] = [];
    for (const batch of [16, 1]) {
      const nodes = await profileCompressed(await loadDeitTiny(), publishedSchedule(), batch);
      const parts = ['sort', 'gather', 'merge'].map((scope) => `${scope} ${percent(scopeShare(nodes, scope))}`);
      lines.push(
        `batch ${batch}: ${percent(scopeShare(nodes, 'reduction'))} (${parts.join(', ')}; medians of ${timing.warmUp + timing.rounds} runs)`,
      );
    }
    return lines;
  },
};

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
