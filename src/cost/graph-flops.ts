/**
 * Multiply-accumulates that a network really computes for one image, with or without a reducer,
 * read off its graph: every matrix product and convolution, whatever it is for. It differs from the
 * paper's count (`flops.ts`) in three ways. Tokens that are pruned before attention are no queries.
 * Choosing and merging tokens costs something. A last block of which only prefix tokens are read
 * computes nothing else. Shapes are enough, no weights are needed.
 */
import { resolve } from '../graph/lower.ts';
import { factorsOf } from '../graph/shapes.ts';
import type { GraphNode, Tensor } from '../graph/tensor.ts';
import { forward, pixelInput } from '../networks/forward.ts';
import type { Network } from '../networks/network.ts';
import { parameterRecorder } from '../networks/recorded-parameters.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';

/**
 * Multiply-accumulates for one image of a network as it is built for evaluation and export. Where
 * token numbers differ per image, every token of the last block is computed, to be counted.
 * @param reducer without one the network is the plain one, every token computed in every block.
 */
export function countGraphFlops(network: Network, reducer?: TokenReducer): number {
  const prefixOnlyLastBlock = reducer !== undefined && reducer.ragged !== true;
  const parameters = parameterRecorder((name) => name.endsWith('.bias') || name.startsWith('reduction.'));
  return matrixProductFlops(forward(network, pixelInput(network), { parameters, reducer, prefixOnlyLastBlock }).answer);
}

/**
 * Multiply-accumulates of all matrix products and convolutions that a tensor depends on; dimensions
 * with names count as 1.
 */
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

/**
 * Elements of the product times the length of the axis that is summed over: the last of the left
 * operand.
 */
function productFlops({ inputs, outputs }: GraphNode): number {
  const inner = inputs[0]?.shape.slice(-1) ?? [];
  return factorsOf(outputs[0]?.shape ?? []).number * factorsOf(inner).number;
}

/**
 * Elements of the result times the weights that each of them sums over: `[I, P, P]` of
 * `[O, I, P, P]`.
 */
function convolutionFlops({ inputs, outputs }: GraphNode): number {
  const summed = inputs[1]?.shape.slice(1) ?? [];
  return factorsOf(outputs[0]?.shape ?? []).number * factorsOf(summed).number;
}
