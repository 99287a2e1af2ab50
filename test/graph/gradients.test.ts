/**
 * The reverse walk: fan-out, regions with their own gradient, what is reached and what is refused.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { gradients } from '../../src/graph/gradients/index.ts';
import {
  add,
  argMax,
  cast,
  concat,
  exp,
  gatherElements,
  greater,
  layerNormalization,
  matMul,
  mul,
  reduceL2,
  reduceMax,
  reduceMean,
  reduceSum,
  sigmoid,
  slice,
  softmax,
  split,
  sub,
  tanh,
  topK,
  transpose,
} from '../../src/graph/operators/index.ts';
import { constant, customGradient, inScope, input, stopGradient } from '../../src/graph/tensor.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { drawing } from './draw.ts';
import type { Float64Tensor } from './float64-array.ts';
import { finiteDifferences, interpret } from './float64-interpreter.ts';
import { nodesOf, relativeError, runGraph } from './run-graph.ts';

const value = (...data: number[]): Float64Tensor => ({ shape: [data.length], data: Float64Array.from(data) });
const total = (x: Tensor): Tensor => reduceSum(x, [...x.shape.keys()]);

/** Values of gradients that must be there. */
function evaluated(loss: Tensor, wrt: readonly Tensor[], given: ReadonlyMap<Tensor, Float64Tensor>): number[][] {
  const all = gradients(loss, wrt).map((gradient) => gradient as Tensor);
  return interpret(all, given).map(({ data }) => [...data]);
}

describe('gradients', () => {
  it('adds up what flows back on several paths', () => {
    const x = input('x', 'float32', [2]);
    const y = exp(x);
    const loss = total(add(mul(x, x), add(y, mul(y, x))));
    const [gradient] = evaluated(loss, [x], new Map([[x, value(1, 2)]])) as [number[]];
    [1, 2].forEach((at, index) => expect(gradient[index]).toBeCloseTo(2 * at + Math.exp(at) * (2 + at), 6));
  });

  it('of both operands of one node that are the same tensor', () => {
    const x = input('x', 'float32', [2]);
    expect(evaluated(total(mul(x, x)), [x], new Map([[x, value(3, -4)]]))).toEqual([[6, -8]]);
    expect(evaluated(total(sub(x, x)), [x], new Map([[x, value(3, -4)]]))).toEqual([[0, 0]]);
    expect(evaluated(total(concat([x, x, x], 0)), [x], new Map([[x, value(3, -4)]]))).toEqual([[3, 3]]);
  });

  it('of parts of a split, of which some are not used', () => {
    const x = input('x', 'float32', [4]);
    const [first, , third] = split(x, 0, [1, 2, 1]) as [Tensor, Tensor, Tensor];
    expect(evaluated(total(mul(first, mul(third, third))), [x], new Map([[x, value(2, 9, 9, 5)]]))).toEqual([
      [25, 0, 0, 20],
    ]);
  });

  it('of a composition equals finite differences', async () => {
    await fc.assert(
      fc.asyncProperty(drawing(), async (draw) => {
        const [batch, tokens, width] = [draw.dimension('batch'), draw.size(), draw.integer(3, 5)];
        const x = draw.distinct([batch, tokens, width]);
        const weight = draw.floats([width, width]);
        const { y } = layerNormalization(x, draw.floats([width], 'positive'), draw.floats([width]), 1e-6);
        const product = matMul(y, weight);
        const attention = softmax(mul(matMul(product, transpose(y, [0, 2, 1])), 0.25));
        const mixed = add(tanh(matMul(attention, product)), mul(sigmoid(y), reduceMean(product, [1], true)));
        const loss = total(mul(mixed, draw.floats(mixed.shape, 'away from zero')));
        // Inner tensors, too, and in any order: the walk goes on past them.
        const wrt = [product, x, y, weight];
        const symbolic = gradients(loss, wrt).map((gradient) => gradient as Tensor);
        const exact = interpret(symbolic, draw.values);
        const computed = await runGraph(symbolic, draw.inputs, draw.feeds());
        wrt.forEach((tensor, index) => {
          const differences = finiteDifferences(loss, tensor, draw.values);
          expect(relativeError(exact[index] as Float64Tensor, differences)).toBeLessThan(1e-6);
          expect(relativeError(computed[index] as Float64Tensor, differences, 1)).toBeLessThan(1e-4);
        });
      }),
      { numRuns: 15 },
    );
  });

  it('of the loss itself, and of a loss of one element in several axes', () => {
    const x = input('x', 'float32', [1, 1]);
    expect(evaluated(x, [x], new Map([[x, { shape: [1, 1], data: Float64Array.of(3) }]]))).toEqual([[1]]);
    const [gradient] = gradients(exp(x), [x]) as [Tensor];
    expect(gradient.shape).toEqual([1, 1]);
  });

  it('is undefined where the loss does not depend on a tensor', () => {
    const [x, other] = [input('x', 'float32', [2]), input('other', 'float32', [2])];
    const after = exp(x);
    const [ofX, ofOther, ofLater] = gradients(total(x), [x, other, after]);
    expect(ofX).toBeDefined();
    expect(ofOther).toBeUndefined();
    expect(ofLater).toBeUndefined();
  });

  it('makes no backward pass below what is asked for', () => {
    const x = input('x', 'float32', [2, 2]);
    const inner = inScope('below', () => tanh(exp(matMul(x, x))));
    const loss = inScope('above', () => total(sigmoid(inner)));
    const [gradient] = gradients(loss, [inner]) as [Tensor];
    const scopes = [...nodesOf([gradient])].map((node) => node.scope).filter((scope) => scope.startsWith('gradient/'));
    expect(new Set(scopes)).toEqual(new Set(['gradient/above']));
  });

  it('walks a chain of ten thousand nodes', () => {
    const x = input('x', 'float32', [1]);
    let y = x;
    for (let index = 0; index < 10_000; index++) y = add(y, x);
    expect(gradients(reduceSum(y, [0]), [x])[0]).toBeDefined();
  });
});

describe('customGradient', () => {
  it('replaces the rule of whatever computed the value', () => {
    const x = input('x', 'float32', [2]);
    const straightThrough = customGradient(cast(greater(x, 0), 'float32'), [x], (gradient) => [mul(gradient, 10)]);
    const loss = total(mul(straightThrough, x));
    const given = new Map([[x, value(3, -4)]]);
    expect([...(interpret([loss], given)[0] as Float64Tensor).data]).toEqual([3]);
    // d/dx = straightThrough + 10·x
    expect(evaluated(loss, [x], given)).toEqual([[31, -40]]);
  });

  it('lets several inputs have gradients, or none', () => {
    const [x, y, z] = ['x', 'y', 'z'].map((name) => input(name, 'float32', [1])) as [Tensor, Tensor, Tensor];
    const fused = customGradient(mul(mul(x, y), z), [x, y, z], (gradient) => [
      mul(gradient, 2),
      undefined,
      mul(gradient, 3),
    ]);
    const all = gradients(total(fused), [x, y, z]);
    expect(all.map((gradient) => gradient !== undefined)).toEqual([true, false, true]);
    expect(interpret([all[0] as Tensor, all[2] as Tensor], new Map()).map(({ data }) => [...data])).toEqual([[2], [3]]);
  });

  it('is told of where its gradient has the wrong shape', () => {
    const x = input('x', 'float32', [3]);
    const wrong = customGradient(exp(x), [x], (gradient) => [slice(gradient, 0, 0, 2)]);
    expect(() => gradients(total(wrong), [x])).toThrow(/gradient of input 0 of a custom gradient is \[2\], not \[3\]/);
  });
});

describe('the length of a vector of zeros', () => {
  it('has a gradient of zero', () => {
    const x = input('x', 'float32', [2, 2]);
    const given = new Map([[x, { shape: [2, 2], data: Float64Array.of(0, 0, 3, 4) }]]);
    expect(evaluated(total(reduceL2(x, [1])), [x], given)).toEqual([[0, 0, 0.6, 0.8]]);
  });
});

describe('stopGradient', () => {
  it('keeps the value and stops the gradient', () => {
    const x = input('x', 'float32', [2]);
    const loss = total(mul(x, stopGradient(exp(x))));
    const given = new Map([[x, value(0, 1)]]);
    const [gradient] = evaluated(loss, [x], given) as [number[]];
    expect(gradient[0]).toBeCloseTo(1, 12);
    expect(gradient[1]).toBeCloseTo(Math.E, 12);
    expect(gradients(total(stopGradient(x)), [x])).toEqual([undefined]);
  });

  it('lets operators without a rule be', () => {
    const x = input('x', 'float32', [2]);
    expect(gradients(total(add(x, stopGradient(reduceMax(x, [0], true)))), [x])[0]).toBeDefined();
  });
});

describe('gradients refuses', () => {
  const x = input('x', 'float32', [2, 3]);

  it('a loss that is no scalar', () => {
    expect(() => gradients(exp(x), [x])).toThrow(DiffrateError);
    expect(() => gradients(exp(x), [x])).toThrow(
      'gradients() needs a scalar loss, not [2, 3]; sum or average it first.',
    );
  });

  const without: readonly [string, () => Tensor][] = [
    ['TopK', () => topK(x, 2).values],
    ['ArgMax', () => cast(argMax(x, 1), 'float32')],
    ['ReduceMax', () => reduceMax(x, [1])],
    ['GatherElements', () => gatherElements(x, argMax(x, 1, true), 1)],
    ['Greater', () => cast(greater(x, 0), 'float32')],
  ];
  it.each(without)('to pass %s, naming its place', (operator, build) => {
    const loss = inScope('blocks.3', () => inScope('merge', () => total(build())));
    expect(() => gradients(loss, [x])).toThrow(DiffrateError);
    expect(() => gradients(loss, [x])).toThrow(`${operator} in "blocks.3/merge" has no gradient rule`);
  });

  it('the statistics of a layer norm', () => {
    const ones = constant(Float32Array.of(1, 1, 1), [3], 'float32');
    const { mean } = inScope('norm', () => layerNormalization(x, ones, ones, 1e-6));
    expect(() => gradients(total(mean), [x])).toThrow(/statistics of LayerNormalization in norm have no gradient rule/);
  });

  it('but not an operator without a rule beside the path', () => {
    const [weights] = [input('weights', 'float32', [2, 2])];
    expect(gradients(total(mul(topK(x, 2).values, weights)), [weights])[0]).toBeDefined();
  });
});
