/** How much of what each method saves in FLOPs it saves in time: all methods at one budget, in turns with the plain network. */
import { availableParallelism } from 'node:os';
import { MethodFit } from '../src/comparison/fit-method.ts';
import { MethodCost } from '../src/comparison/method-cost.ts';
import { countGraphFlops } from '../src/cost/graph-flops.ts';
import { baselineRealFlops } from '../src/cost/real-flops.ts';
import { openImageFolder } from '../src/data/image-folder.ts';
import { timeAlternately } from '../src/evaluation/alternate.ts';
import { randomPixels } from '../src/evaluation/throughput.ts';
import { NetworkSession } from '../src/loading/network-session.ts';
import { scheduleTarget } from '../src/models/schedule-target.ts';
import { buildMethod, parseMethod, reductionMethods } from '../src/reduction/methods/registry.ts';
import type { NamedMethod } from '../src/reduction/methods/registry.ts';
import { dataPath, loadDeitTiny, pairedRatio, publishedSchedule, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

const batch = 16;
const gflops = 0.809;

/** Twice as many as elsewhere: differences of a few per cent are to be told apart. */
const manyRounds = { rounds: 31, warmUp: 3 } as const;

/** DeiT-T, batch 16, every method that needs no training. */
export const methods: Measurement = {
  name: 'methods',
  description: `speed-up of every method at ${gflops} GFLOPs as a share of the ratio of FLOPs that it really computes, DeiT-T, batch ${batch}`,
  needs: [weightsFile, 'imagenet-val'],
  async run() {
    const model = await loadDeitTiny();
    const target = scheduleTarget(model.configuration, model.name);
    const cost = new MethodCost(model, await openImageFolder(dataPath('imagenet-val')));
    const compared: NamedMethod[] = [];
    for (const { name, knob, trained } of reductionMethods) {
      if (trained === true) continue;
      const text = parseMethod(name);
      if (knob === undefined) {
        compared.push(buildMethod(text, target, { schedule: publishedSchedule() }));
        continue;
      }
      const fitted = await new MethodFit(text, knob, target, cost).fit(gflops);
      if ('method' in fitted) compared.push(fitted.method);
    }
    const pixels = randomPixels(model.configuration, batch, 0);
    const whole = baselineRealFlops(model.configuration).total;
    const speedups = compared.map((): string[] => []);
    for (const threads of [availableParallelism(), 1]) {
      const plain = await NetworkSession.load(model, { batch, threads });
      for (const [index, { method, reducer }] of compared.entries()) {
        const session = await NetworkSession.load(model, { reducer, batch, threads });
        // Each beside the plain network: with all methods in one round, seconds lie between runs that are compared.
        const times = await timeAlternately([() => plain.run(pixels), () => session.run(pixels)], manyRounds);
        await session.dispose();
        const speedup = pairedRatio(times);
        const share = (100 * speedup * countGraphFlops(model.configuration, reducer)) / whole;
        const cores = threads === 1 ? 'one core' : `${threads} cores`;
        // Masks stand for tokens that are gone in some images only: their graph has no FLOPs to compare with.
        speedups[index]?.push(
          `on ${cores} ${speedup.toFixed(3)}${method.ragged === true ? '' : `, share ${share.toFixed(1)} %`}`,
        );
      }
      await plain.dispose();
    }
    return compared.map(({ name, method, reducer }, index) => {
      const ratio = (whole / countGraphFlops(model.configuration, reducer)).toFixed(3);
      const flops = method.ragged === true ? 'numbers of tokens differ per image' : `FLOPs ratio ${ratio}`;
      return `${name}: ${flops}, speed-up ${(speedups[index] ?? []).join('; ')}`;
    });
  },
};
