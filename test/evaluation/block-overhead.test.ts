/** The measurement of what choosing and merging takes; how long that is, no test says. */
import { beforeAll, describe, expect, it } from 'vitest';
import { settledOverhead } from '../../src/cost/block-overhead.ts';
import { measureBlockOverhead, overheadOf } from '../../src/evaluation/block-overhead.ts';
import { countGraphFlops } from '../../src/cost/graph-flops.ts';
import { loadModel } from '../../src/loading/load-model.ts';
import type { LoadedModel } from '../../src/loading/model-from-files.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';

let model: LoadedModel;
beforeAll(async () => {
  model = await loadModel('vit_demo_patch2_28');
});

describe('measureBlockOverhead', () => {
  it('gives a share of the time and what that is in GFLOPs', async () => {
    for (const selection of [undefined, dissimilarity]) {
      const rules = { merging: 'patches' as const, selection };
      const { gflops, share } = await measureBlockOverhead(model, { runtime: nodeRuntime, rules, threads: 1 });
      expect(share).toBeGreaterThanOrEqual(0);
      expect(Number.isFinite(gflops)).toBe(true);
      // The plain network computes all of its last block, this one only what is read.
      if (share > 0) expect(gflops / share).toBeLessThan(countGraphFlops(model.network) / 1e9);
    }
  });

  it('is given to a search settled, so that small differences of time change nothing', async () => {
    const rules = { merging: 'patches' as const };
    const overhead = await overheadOf(model, { runtime: nodeRuntime, rules, threads: 1 });
    expect(settledOverhead(1, overhead)).toBe(overhead);
  });
});
