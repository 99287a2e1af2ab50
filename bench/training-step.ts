/**
 * How much dearer a training step (forward, backward to all weights, AdamW) is than a plain forward
 * pass.
 */
import { timeAlternately } from '../src/evaluation/alternate.ts';
import { NetworkSession } from '../src/execution/network-session.ts';
import { objectiveFor } from '../src/objectives/registry.ts';
import { findPublishedSchedule } from '../src/reduction/published-schedules.ts';
import { nodeRuntime } from '../src/runtime/node/runtime.ts';
import { floats } from '../src/runtime/runtime.ts';
import { AdamW } from '../src/training/adamw.ts';
import { layoutOf, vectorOf } from '../src/training/trained-parameters.ts';
import { TrainingStep } from '../src/training/training-step.ts';
import { VectorMemory } from '../src/training/vector-memory.ts';
import { formatMilliseconds, loadDeitTiny, pixelsFor, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

const batch = 16;

/** DeiT-T, batch 16, without and with the published 0.6 schedule. */
export const trainingStep: Measurement = {
  name: 'training-step',
  description: `training step (all weights, AdamW) ÷ plain forward, DeiT-T, batch ${batch}`,
  needs: [weightsFile],
  async run() {
    const model = await loadDeitTiny();
    const { network, parameters } = model;
    const layout = layoutOf(network, parameters.has);
    const objective = objectiveFor(network.answers);
    const pixels = pixelsFor(model, batch);
    const { size: classes } = network.answers;
    const targets = floats(new Float32Array(batch * classes).fill(1 / classes), [batch, classes]);
    const stepOf = async (name: string | undefined): Promise<{ job: () => Promise<void>; step: TrainingStep }> => {
      const memory = new VectorMemory(layout.length, 4);
      const weights = memory.vector();
      weights.set(vectorOf(layout, parameters));
      const schedule = name === undefined ? undefined : findPublishedSchedule(name);
      const options = { network, objective, layout, schedule, dropPath: 0 };
      const step = await TrainingStep.load(nodeRuntime, options, weights, {}, memory.vector());
      const optimizer = new AdamW(layout, { weightDecay: 0.05 }, memory);
      return {
        step,
        job: async () => {
          await step.run(pixels, targets, []);
          optimizer.update(weights, step.gradient, 1e-6);
        },
      };
    };
    const plain = await NetworkSession.load(model, { runtime: nodeRuntime });
    const full = await stepOf(undefined);
    const compressed = await stepOf('deit_tiny_patch16_224@0.6');
    try {
      const jobs = [() => plain.run(pixels.data as Float32Array), full.job, compressed.job];
      const [forward, whole, reduced] = await timeAlternately(jobs, { rounds: 25, warmUp: 3 });
      if (forward === undefined || whole === undefined || reduced === undefined) return [];
      const memory = process.resourceUsage().maxRSS / 2 ** 20;
      return [
        `plain forward ${formatMilliseconds(forward.milliseconds)}, step ${formatMilliseconds(whole.milliseconds)}, ratio ${(whole.milliseconds / forward.milliseconds).toFixed(2)}`,
        `step with the published 0.6 G schedule ${formatMilliseconds(reduced.milliseconds)}, ÷ without ${(reduced.milliseconds / whole.milliseconds).toFixed(3)}`,
        `resident memory ${memory.toFixed(2)} GiB, of a process that holds the three graphs`,
      ];
    } finally {
      await plain.dispose();
      await full.step.dispose();
      await compressed.step.dispose();
    }
  },
};
