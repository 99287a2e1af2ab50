/** Activations and their gradients, against float64 and finite differences. */
import { describe, expect, it } from 'vitest';
import { gradients } from '../../src/graph/gradients/index.ts';
import { reduceSum } from '../../src/graph/operators/index.ts';
import { input } from '../../src/graph/tensor.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { toHalfPrecision } from '../../src/exporting/half-precision.ts';
import { lower } from '../../src/graph/lower.ts';
import { activate, activations } from '../../src/nn/activation.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { floats } from '../../src/runtime/runtime.ts';
import { runGraph } from '../graph/run-graph.ts';
import { plainActivations } from '../reduction/plain-network.ts';

/** Not at 0, where ReLU has a kink, and far out, where exponentials overflow. */
const values = Float32Array.of(-300, -90, -9, -3.5, -1.25, -0.7, -0.01, 0.01, 0.3, 0.75, 1.5, 2.5, 4, 12, 90, 300);
const step = 1e-4;

describe.each(activations)('%s', (name) => {
  const plain = plainActivations[name];
  const x = input('x', 'float32', [values.length]);
  const y = activate(x, name);
  const feeds = { x: floats(values, [values.length]) };

  it('is what the paper writes, and so is its slope', async () => {
    const [slope] = gradients(reduceSum(y, [0]), [x]);
    const [found, gradient] = await runGraph([y, slope as Tensor], [x], feeds);
    values.forEach((value, index) => {
      expect(found?.data[index]).toBeCloseTo(plain(value), 4);
      expect(gradient?.data[index]).toBeCloseTo((plain(value + step) - plain(value - step)) / (2 * step), 4);
    });
  });

  it('stays finite in half precision', async () => {
    const model = toHalfPrecision(lower({ y }, [x]));
    const session = await nodeRuntime.load(model, { threads: 1 });
    const outputs = await session.run(feeds);
    const found = outputs['y']?.data as Float32Array;
    values.forEach((value, index) => {
      const error = Math.abs((found[index] ?? NaN) - plain(value));
      expect(error).toBeLessThan(2e-3 * (1 + Math.abs(value)));
    });
    await session.dispose();
  });
});
