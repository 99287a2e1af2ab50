/**
 * What a local evaluator of a test is made with: the default recipe's targets, few images at a
 * time.
 */
import type { ImageSource } from '../../src/data/image-source.ts';
import type { LocalEvaluatorOptions } from '../../src/execution/local-evaluator.ts';
import type { Model } from '../../src/networks/model.ts';
import { objectiveFor } from '../../src/objectives/registry.ts';
import { searchSpace } from '../../src/reduction/search-space.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { presets } from '../../src/search/presets.ts';

/** Options as a search with the preset `small-data` and seed 1 would give them. */
export function evaluatorOptions(
  model: Model,
  folder: ImageSource,
  changes: Partial<LocalEvaluatorOptions> = {},
): LocalEvaluatorOptions {
  const { targets, augmentation, mixing, labelSmoothing, toThemselves, merging } = presets['small-data'];
  return {
    runtime: nodeRuntime,
    session: { threads: 1 },
    model,
    images: folder,
    objective: objectiveFor(model.network.answers),
    targets,
    recipe: { augmentation, mixing, labelSmoothing },
    toThemselves,
    space: searchSpace(model.network),
    merging,
    seed: 1,
    microBatches: 1,
    microBatchSize: 4,
    ...changes,
  };
}
