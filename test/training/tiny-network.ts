/** A Vision Transformer of 10 tokens and 3 blocks: small enough that finite differences go through all of it. */
import type { VisionTransformerConfiguration } from '../../src/models/configuration.ts';
import { layoutOf, partOf } from '../../src/training/trained-parameters.ts';
import { randomValues } from '../random-network.ts';

/** 6×6 pixels in patches of 2: 10 tokens. */
export const tinyConfiguration: VisionTransformerConfiguration = {
  family: 'vision-transformer',
  inputSize: 6,
  patchSize: 2,
  width: 6,
  depth: 3,
  heads: 2,
  hiddenWidth: 8,
  classes: 3,
  pool: 'class-token',
  layerNormEpsilon: 1e-6,
  preprocessing: {
    resizeShortSide: 6,
    cropSize: 6,
    interpolation: 'bicubic',
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  },
};

/** Prunes and merges in blocks 1 and 2. */
export const tinySchedule = { pruneKept: [10, 8, 6], mergeKept: [10, 7, 4] };

/** A vector of weights that keep activations of the order of 1. */
export function tinyWeights(configuration = tinyConfiguration, seed = 1): Float32Array {
  const layout = layoutOf(configuration);
  const vector = new Float32Array(layout.length);
  for (const [index, parameter] of layout.parameters.entries()) {
    const inputs = parameter.shape.slice(1).reduce((product, size) => product * size, 1);
    const isNorm = /norm\d?\.weight$/.test(parameter.name);
    const scale = parameter.shape.length > 1 && !/token|embed$/.test(parameter.name) ? 2 / Math.sqrt(inputs) : 0.5;
    const values = randomValues(parameter.length, 1000 * seed + index);
    partOf(vector, parameter).set(values.map((value) => (isNorm ? 1 + value / 4 : value * scale)));
  }
  return vector;
}
