/** Small networks for cost tests: the sizes of the golden cases. */

import type { VisionTransformerConfiguration } from '../../src/models/configuration.ts';

/** A Vision Transformer of any size with patches of 16 pixels and an MLP of 4C. */
export function smallNetwork(
  sizes: Pick<VisionTransformerConfiguration, 'inputSize' | 'width' | 'depth' | 'heads' | 'classes' | 'pool'>,
): VisionTransformerConfiguration {
  return {
    family: 'vision-transformer',
    ...sizes,
    patchSize: 16,
    hiddenWidth: 4 * sizes.width,
    layerNormEpsilon: 1e-6,
    preprocessing: {
      resizeShortSide: sizes.inputSize,
      cropSize: sizes.inputSize,
      interpolation: 'bicubic',
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    },
  };
}
