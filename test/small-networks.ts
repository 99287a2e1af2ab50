/**
 * Networks small enough for tests, with random weights. A test states what it needs (classes, pool,
 * prefix tokens, an oblong input) and takes the rest as it comes.
 */
import { float32Tensor } from '../src/checkpoints/weights.ts';
import type { Weights } from '../src/checkpoints/weights.ts';
import { RandomGenerator } from '../src/data/random.ts';
import type { Preprocessing } from '../src/data/preprocessing.ts';
import type { Model } from '../src/networks/model.ts';
import type { Network } from '../src/networks/network.ts';
import { parametersFromWeights } from '../src/networks/parameters.ts';
import { networkParameters } from '../src/networks/recorded-parameters.ts';
import { usualVisionTransformer } from '../src/networks/vision-transformer/configuration.ts';
import type { VisionTransformerConfiguration } from '../src/networks/vision-transformer/configuration.ts';
import { visionTransformer } from '../src/networks/vision-transformer/vision-transformer.ts';

/** Sizes of a Vision Transformer; those that are left out are `smallSizes`. */
export type SmallSizes = Partial<VisionTransformerConfiguration>;

/** 32×32 pixels, 17 tokens, 4 blocks, 10 classes. */
export const smallSizes: VisionTransformerConfiguration = {
  ...usualVisionTransformer,
  inputSize: { height: 32, width: 32 },
  patchSize: 8,
  width: 64,
  depth: 4,
  heads: 4,
  hiddenWidth: 128,
  classes: 10,
  pool: 'class-token',
};

/** As many tokens and blocks, but quicker, and with 7 classes. */
export const narrowSizes: VisionTransformerConfiguration = {
  ...smallSizes,
  width: 24,
  heads: 3,
  hiddenWidth: 96,
  classes: 7,
};

/** 6×6 pixels, 10 tokens, 3 blocks: finite differences go through all of it. */
export const tinySizes: VisionTransformerConfiguration = {
  ...smallSizes,
  inputSize: { height: 6, width: 6 },
  patchSize: 2,
  width: 6,
  depth: 3,
  heads: 2,
  hiddenWidth: 8,
  classes: 3,
};

/** A Vision Transformer without weights. */
export function smallNetwork(sizes: SmallSizes = {}): Network {
  return visionTransformer({ ...smallSizes, ...sizes });
}

/** Preprocessing that crops the input of a network out of an image that is a little larger. */
export function smallPreprocessing({ input: { height, width } }: Pick<Network, 'input'>): Preprocessing {
  return {
    resize: { height: height + 4, width: width + 4 },
    crop: { height, width },
    interpolation: 'bicubic',
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  };
}

/**
 * Random weights of every parameter that a network reads, large enough that images differ in their
 * answers. Each is drawn from its own fork of the seed, in whatever order the network reads them.
 * @param has which optional parameters there are, all by default.
 */
export function smallWeights(network: Network, seed = 1, has?: (name: string) => boolean): Weights {
  const parameters = networkParameters(network, has);
  return new Map(parameters.map(({ name, shape }) => [name, float32Tensor(name, shape, drawn(name, shape, seed))]));
}

/** A network with random weights. */
export function smallModel(sizes: SmallSizes = {}, seed = 1, name = 'small'): Model {
  const network = smallNetwork(sizes);
  return {
    name,
    network,
    parameters: parametersFromWeights(smallWeights(network, seed), name),
    preprocessing: smallPreprocessing(network),
  };
}

/** Norms around 1, matrices by their number of inputs, tokens and positions 0.5, biases 0.1. */
function drawn(name: string, shape: readonly number[], seed: number): Float32Array {
  const random = new RandomGenerator(seed).fork(name);
  const count = shape.reduce((product, size) => product * size, 1);
  const inputs = shape.slice(1).reduce((product, size) => product * size, 1);
  const isNorm = /norm\d?\.weight$/.test(name);
  const deviation = shape.length === 1 ? 0.1 : shape[0] === 1 ? 0.5 : 1.5 / Math.sqrt(inputs);
  return Float32Array.from({ length: count }, () => (isNorm ? 1 : 0) + deviation * random.normal());
}
