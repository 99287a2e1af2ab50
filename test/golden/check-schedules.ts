/**
 * Inference of a golden case: logits, sizes and source maps of the plain network and of every
 * schedule; FLOPs.
 */
import { countFlops } from '../../src/cost/flops.ts';
import { lower } from '../../src/graph/lower.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { forward, pixelInput } from '../../src/networks/forward.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { sourceOf } from '../../src/reduction/token-state.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import type { RuntimeTensor } from '../../src/runtime/runtime.ts';
import { goldenTensor } from './golden-case.ts';
import type { GoldenCase } from './golden-case.ts';
import { exactly, relativeToLargest, sameRows } from './quantity.ts';
import type { Quantity } from './quantity.ts';

const logitTolerance = 1e-4;

/**
 * Checks the uncompressed network and every schedule of a case, traced and as exported (prefix
 * tokens alone in the last block).
 */
export async function checkSchedules(golden: GoldenCase): Promise<Quantity[]> {
  const { network, description } = golden;
  const quantities: Quantity[] = [];
  if (golden.tensors.has('baseline.logits')) {
    const plain = await runNetwork(golden, undefined, false);
    quantities.push(
      relativeToLargest('baseline.logits', plain['logits'], goldenTensor(golden, 'baseline.logits'), logitTolerance),
    );
  }
  for (const [index, schedule] of (description.schedules ?? []).entries()) {
    const kept = { pruneKept: schedule.prune_kept, mergeKept: schedule.merge_kept };
    const name = `schedule${index}`;
    const traced = await runNetwork(golden, kept, true);
    quantities.push(
      relativeToLargest(`${name}.logits`, traced['logits'], goldenTensor(golden, `${name}.logits`), logitTolerance),
    );
    if (golden.tensors.has(`${name}.size`)) {
      const size = traced['size'] ?? ones(goldenTensor(golden, `${name}.size`));
      quantities.push(relativeToLargest(`${name}.size`, size, goldenTensor(golden, `${name}.size`), logitTolerance));
    }
    if (golden.tensors.has(`${name}.source`)) {
      quantities.push(sameRows(`${name}.source`, traced['source'], goldenTensor(golden, `${name}.source`)));
    }
    const exported = await runNetwork(golden, kept, false);
    quantities.push(
      relativeToLargest(
        `${name}.logits (exported form)`,
        exported['logits'],
        goldenTensor(golden, `${name}.logits`),
        logitTolerance,
      ),
    );
    quantities.push(exactly(`${name}.flops`, countFlops(network, kept).total, schedule.flops));
  }
  return quantities;
}

/** Tokens that were never merged carry no sizes: all are 1. */
function ones(like: RuntimeTensor): RuntimeTensor {
  return { ...like, data: new Float32Array(like.data.length).fill(1) };
}

async function runNetwork(
  golden: GoldenCase,
  kept: { pruneKept: number[]; mergeKept: number[] } | undefined,
  trace: boolean,
): Promise<Record<string, RuntimeTensor>> {
  const { network, weights, description } = golden;
  const pixels = pixelInput(network);
  const built = forward(network, pixels, {
    parameters: parametersFromWeights(weights, description.name),
    reducer: kept === undefined ? undefined : diffRate(kept, network),
    trace,
    prefixOnlyLastBlock: kept !== undefined && !trace,
  });
  const outputs: Record<string, Tensor> = { logits: built.answer };
  const last = built.states.at(-1);
  const source = last === undefined ? undefined : sourceOf(last);
  if (trace && last?.size !== undefined) outputs['size'] = last.size;
  if (trace && source !== undefined) outputs['source'] = source;
  const session = await nodeRuntime.load(lower(outputs, [pixels]));
  try {
    return await session.run({ pixel_values: goldenTensor(golden, 'pixels') });
  } finally {
    await session.dispose();
  }
}
