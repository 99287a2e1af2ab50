/**
 * Multiply-accumulates that a network with any reducer really computes for one image, read off its graph: every matrix product and convolution, whatever
 * it is for (`real-flops.ts` writes the same down for DiffRate). Shapes are enough, no weights are needed.
 */
import { resolve } from '../graph/lower.ts';
import { factorsOf } from '../graph/shapes.ts';
import { input } from '../graph/tensor.ts';
import type { GraphNode, Tensor } from '../graph/tensor.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import { visionTransformer } from '../models/vision-transformer.ts';
import type { Parameters } from '../nn/parameters.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';

/** Parameters of which only the shapes are known. */
const shapesOnly: Parameters = {
  tensor: (name, shape) => input(name, 'float32', shape),
  has: () => true,
};

/**
 * Multiply-accumulates of the compressed network for one image, as it is built for evaluation and export. Where token numbers differ per
 * image, every token of the last block is computed, to be counted.
 */
export function countGraphFlops(configuration: VisionTransformerConfiguration, reducer: TokenReducer): number {
  const { inputSize } = configuration;
  const pixels = input('pixel_values', 'float32', ['batch', 3, inputSize, inputSize]);
  const options = { reducer, classTokenOnlyLastBlock: reducer.ragged !== true };
  return matrixProductFlops(visionTransformer(pixels, configuration, shapesOnly, options).logits);
}

/** Multiply-accumulates of all matrix products and convolutions that a tensor hangs on; dimensions with names count as 1. */
export function matrixProductFlops(output: Tensor): number {
  const seen = new Set<GraphNode>();
  const open = [output];
  let total = 0;
  for (let tensor = open.pop(); tensor !== undefined; tensor = open.pop()) {
    const { source } = resolve(tensor);
    if (source.kind !== 'node' || seen.has(source.node)) continue;
    const { node } = source;
    seen.add(node);
    if (node.operator === 'MatMul' || node.operator === 'Gemm') total += productFlops(node);
    if (node.operator === 'Conv') total += convolutionFlops(node);
    for (const value of node.inputs) if (value !== undefined) open.push(value);
  }
  return total;
}

/** Elements of the product times the length of the axis that is summed over: the last of the left operand. */
function productFlops({ inputs, outputs }: GraphNode): number {
  const inner = inputs[0]?.shape.slice(-1) ?? [];
  return factorsOf(outputs[0]?.shape ?? []).number * factorsOf(inner).number;
}

/** Elements of the result times the weights that each of them sums over: `[I, P, P]` of `[O, I, P, P]`. */
function convolutionFlops({ inputs, outputs }: GraphNode): number {
  const summed = inputs[1]?.shape.slice(1) ?? [];
  return factorsOf(outputs[0]?.shape ?? []).number * factorsOf(summed).number;
}
