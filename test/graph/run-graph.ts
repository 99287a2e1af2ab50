/**
 * Runs symbolic tensors in ONNX Runtime, once, and compares values; one thread, since the graphs
 * are tiny.
 */
import { expect } from 'vitest';
import { lower } from '../../src/graph/lower.ts';
import type { GraphNode, Tensor } from '../../src/graph/tensor.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import type { RuntimeTensor } from '../../src/runtime/runtime.ts';
import type { Float64Tensor } from './float64-array.ts';

/** Values of some tensors, in order. */
export async function runGraph(
  tensors: readonly Tensor[],
  inputs: readonly Tensor[],
  feeds: Readonly<Record<string, RuntimeTensor>>,
): Promise<Float64Tensor[]> {
  const outputs = Object.fromEntries(tensors.map((tensor, index) => [`y${index}`, tensor]));
  const session = await nodeRuntime.load(lower(outputs, inputs), { threads: 1 });
  try {
    const results = await session.run(feeds);
    return tensors.map((tensor, index) => {
      const result = results[`y${index}`] as RuntimeTensor;
      expect(result.type).toBe(tensor.type);
      return { shape: result.shape, data: Float64Array.from(result.data as Iterable<number>, Number) };
    });
  } finally {
    await session.dispose();
  }
}

/** Largest difference relative to the largest expected value (at least `floor`). */
export function relativeError(actual: Float64Tensor, expected: Float64Tensor, floor = 1e-3): number {
  expect(actual.shape).toEqual(expected.shape);
  const largest = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), floor);
  const difference = expected.data.reduce(
    (most, value, index) => Math.max(most, Math.abs(value - (actual.data[index] ?? NaN))),
    0,
  );
  return difference / largest;
}

/** Every node that some tensors hang on. */
export function nodesOf(tensors: readonly Tensor[]): ReadonlySet<GraphNode> {
  const nodes = new Set<GraphNode>();
  const visit = (tensor: Tensor): void => {
    if (tensor.source.kind === 'custom') visit(tensor.source.value);
    if (tensor.source.kind !== 'node' || nodes.has(tensor.source.node)) return;
    nodes.add(tensor.source.node);
    for (const value of tensor.source.node.inputs) if (value !== undefined) visit(value);
  };
  tensors.forEach(visit);
  return nodes;
}
