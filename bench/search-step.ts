/** How much dearer one search step (forward and backward) is than a plain forward pass. */
import { timeAlternately } from '../src/evaluation/alternate.ts';
import { NetworkSession } from '../src/loading/network-session.ts';
import { compressibleBlocks } from '../src/models/schedule-target.ts';
import { nodeRuntime } from '../src/runtime/node/runtime.ts';
import { floats } from '../src/runtime/runtime.ts';
import { SearchStep } from '../src/search/search-step.ts';
import { formatMilliseconds, loadDeitTiny, pixelsFor, publishedSchedule, timing, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

const batch = 16;

/** DeiT-T, batch 16, at the kept numbers of the published 0.8 schedule. */
export const searchStep: Measurement = {
  name: 'search-step',
  description: `search step ÷ plain forward, DeiT-T, batch ${batch}`,
  needs: [weightsFile],
  async run() {
    const model = await loadDeitTiny();
    const { classes, depth } = model.configuration;
    const compressible = compressibleBlocks(model.configuration);
    // As the default recipe does: what is learnt in the last block of a class-token network is noise.
    const searched = compressible.flatMap((may, block) => (may && block < depth - 1 ? [block] : []));
    const plain = await NetworkSession.load(model);
    const step = await SearchStep.load(nodeRuntime, model.configuration, model.parameters, {
      searched,
      toThemselves: true,
    });
    const pixels = pixelsFor(model, batch);
    const targets = floats(new Float32Array(batch * classes).fill(1 / classes), [batch, classes]);
    try {
      const jobs = [() => plain.run(pixels.data as Float32Array), () => step.run(pixels, targets, publishedSchedule())];
      const [forward, whole] = await timeAlternately(jobs, timing);
      if (forward === undefined || whole === undefined) return [];
      const ratio = whole.milliseconds / forward.milliseconds;
      return [
        `plain ${formatMilliseconds(forward.milliseconds)}, step ${formatMilliseconds(whole.milliseconds)}, ratio ${ratio.toFixed(2)}`,
      ];
    } finally {
      await plain.dispose();
      await step.dispose();
    }
  },
};
