/** The schedule that searches start from. */
import type { ImageSource } from '../src/data/image-source.ts';
import type { Model } from '../src/networks/model.ts';
import type { KeptNumbers } from '../src/reduction/schedule.ts';
import { nodeRuntime } from '../src/runtime/node/runtime.ts';
import { learnerOf, planOf } from '../src/search/plan.ts';

/**
 * Every block removes the same number of tokens and merges them.
 * @param target in GFLOPs.
 */
export function uniformNumber(model: Model, images: ImageSource, target: number): KeptNumbers {
  return learnerOf(planOf({ model, images, preset: 'small-data', seed: 0, runtime: nodeRuntime }), target).finish();
}
