/** The schedule that searches start from. */
import type { ImageSource } from '../src/data/image-source.ts';
import type { Model } from '../src/networks/model.ts';
import type { KeptNumbers } from '../src/reduction/schedule.ts';
import { nodeRuntime } from '../src/runtime/node/runtime.ts';
import { learnerOf, planOf } from '../src/search/plan.ts';

/**
 * Every block keeps the same share and merges the rest.
 * @param target in GFLOPs.
 */
export function uniformRate(model: Model, images: ImageSource, target: number): KeptNumbers {
  return learnerOf(planOf({ model, images, preset: 'small-data', seed: 0, runtime: nodeRuntime }), target).finish();
}
