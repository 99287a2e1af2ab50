/** Small networks for cost tests: the sizes of the golden cases. */
import type { VisionTransformerConfiguration } from '../../src/networks/vision-transformer/configuration.ts';
import { square } from '../../src/data/preprocessing.ts';
import { smallSizes } from '../small-networks.ts';

type GivenSizes = Pick<VisionTransformerConfiguration, 'width' | 'depth' | 'heads' | 'classes' | 'pool'>;

/** Sizes of a Vision Transformer with square inputs, patches of 16 pixels and an MLP of 4C. */
export function squareSizes(
  side: number,
  sizes: GivenSizes & Partial<VisionTransformerConfiguration>,
): VisionTransformerConfiguration {
  return { ...smallSizes, inputSize: square(side), patchSize: 16, hiddenWidth: 4 * sizes.width, ...sizes };
}
