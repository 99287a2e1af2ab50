/** How much dearer one search step (forward and backward) is than a plain forward pass. */
import { timeAlternately } from '../src/evaluation/alternate.ts';
import { randomPixels } from '../src/evaluation/throughput.ts';
import { GradientStep } from '../src/execution/gradient-step.ts';
import { NetworkSession } from '../src/execution/network-session.ts';
import { objectiveFor } from '../src/objectives/registry.ts';
import { searchSpace } from '../src/reduction/search-space.ts';
import { nodeRuntime } from '../src/runtime/node/runtime.ts';
import { formatMilliseconds, loadDeitTiny, publishedSchedule, timing, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

const batch = 16;

/** DeiT-T, batch 16, at the kept numbers of the published 0.8 schedule. */
export const searchStep: Measurement = {
  name: 'search-step',
  description: `search step ÷ plain forward, DeiT-T, batch ${batch}`,
  needs: [weightsFile],
  async run() {
    const model = await loadDeitTiny();
    const { network } = model;
    const { size } = network.answers;
    const plain = await NetworkSession.load(model, { runtime: nodeRuntime });
    const step = await GradientStep.load(model, {
      runtime: nodeRuntime,
      objective: objectiveFor(network.answers),
      space: searchSpace(network),
      toThemselves: true,
    });
    const { channels, height, width } = network.input;
    const pixels = randomPixels(network, batch, 0);
    const targets = new Float32Array(batch * size).fill(1 / size);
    const targeted = { pixels, shape: [batch, channels, height, width], targets } as const;
    try {
      const jobs = [() => plain.run(pixels), () => step.run(targeted, publishedSchedule())];
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
