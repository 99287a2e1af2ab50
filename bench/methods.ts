/**
 * How much of what each method saves in FLOPs it saves in time: all methods at one budget, in turns
 * with the plain network.
 */
import { MethodFit } from '../src/comparison/fit-method.ts';
import { MethodCost } from '../src/comparison/method-cost.ts';
import { countGraphFlops } from '../src/cost/graph-flops.ts';
import { openImageFolder } from '../src/data/open-image-folder.ts';
import { timeAlternately } from '../src/evaluation/alternate.ts';
import { randomPixels } from '../src/evaluation/throughput.ts';
import { NetworkSession } from '../src/execution/network-session.ts';
import { namedShape } from '../src/networks/model.ts';
import { buildMethod, parseMethod, reductionMethods } from '../src/reduction/methods/registry.ts';
import type { NamedMethod } from '../src/reduction/methods/registry.ts';
import { nodeRuntime } from '../src/runtime/node/runtime.ts';
import { availableCores } from '../src/threads/available-cores.ts';
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
    const { network } = model;
    const shape = namedShape(network, model.name);
    const cost = new MethodCost(model, await openImageFolder(dataPath('imagenet-val')), { runtime: nodeRuntime });
    const compared: NamedMethod[] = [];
    for (const { name, knob, trained } of reductionMethods) {
      if (trained === true) continue;
      const text = parseMethod(name);
      if (knob === undefined) {
        compared.push(buildMethod(text, shape, { schedule: publishedSchedule() }));
        continue;
      }
      const fitted = await new MethodFit(text, knob, shape, cost).fit(gflops);
      if ('method' in fitted) compared.push(fitted.method);
    }
    const pixels = randomPixels(network, batch, 0);
    const whole = countGraphFlops(network);
    const speedups = compared.map((): string[] => []);
    for (const threads of [availableCores(), 1]) {
      const plain = await NetworkSession.load(model, { runtime: nodeRuntime, batch, threads });
      for (const [index, { method, reducer }] of compared.entries()) {
        const session = await NetworkSession.load(model, { runtime: nodeRuntime, reducer, batch, threads });
        // Each beside the plain network: with all methods in one round, seconds lie between runs
        // that are compared.
        const times = await timeAlternately([() => plain.run(pixels), () => session.run(pixels)], manyRounds);
        await session.dispose();
        const speedup = pairedRatio(times);
        const share = (100 * speedup * countGraphFlops(network, reducer)) / whole;
        const cores = threads === 1 ? 'one core' : `${threads} cores`;
        // Masks stand for tokens that are gone in some images only: their graph has no FLOPs to
        // compare with.
        speedups[index]?.push(
          `on ${cores} ${speedup.toFixed(3)}${method.ragged === true ? '' : `, share ${share.toFixed(1)} %`}`,
        );
      }
      await plain.dispose();
    }
    return compared.map(({ name, method, reducer }, index) => {
      const ratio = (whole / countGraphFlops(network, reducer)).toFixed(3);
      const flops = method.ragged === true ? 'numbers of tokens differ per image' : `FLOPs ratio ${ratio}`;
      return `${name}: ${flops}, speed-up ${(speedups[index] ?? []).join('; ')}`;
    });
  },
};
