/** What choosing and merging takes in one block beside its tokens. */
import { defaultBlockOverhead } from '../src/cost/block-overhead.ts';
import { measureBlockOverhead } from '../src/evaluation/block-overhead.ts';
import { loadModel } from '../src/loading/load-model.ts';
import { dissimilarity } from '../src/reduction/selection.ts';
import { nodeRuntime } from '../src/runtime/node/runtime.ts';
import { loadDeitTiny, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

/** DeiT-T and the demo's network, both rules, one by one and in batches of 16. */
export const overhead: Measurement = {
  name: 'overhead',
  description: `what choosing and merging takes in one block, as the FLOPs for which the network takes as long (a search reckons ${millions(defaultBlockOverhead)})`,
  needs: [weightsFile],
  async run() {
    const lines: string[] = [];
    for (const model of [await loadDeitTiny(), await loadModel('vit_demo_patch2_28')]) {
      for (const batch of [1, 16]) {
        for (const selection of [undefined, dissimilarity]) {
          const rules = { merging: 'patches' as const, selection };
          const { gflops, share } = await measureBlockOverhead(model, { runtime: nodeRuntime, rules, batch });
          const rule = selection?.rule ?? 'class attention';
          lines.push(
            `${model.name}, batch ${batch}, ${rule}: ${millions(gflops)}, ${(100 * share).toFixed(1)} % of the forward pass`,
          );
        }
      }
    }
    return lines;
  },
};

function millions(gflops: number): string {
  return `${(1000 * gflops).toFixed(1)} MFLOPs`;
}
