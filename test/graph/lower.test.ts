/** Lowering: names, order, shared constants, and what must not appear in the model. */
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { gradients } from '../../src/graph/gradients/index.ts';
import { lower } from '../../src/graph/lower.ts';
import {
  add,
  exp,
  layerNormalization,
  mul,
  neg,
  reduceSum,
  reshape,
  split,
  topK,
} from '../../src/graph/operators/index.ts';
import { constant, customGradient, inScope, input, scalar, stopGradient } from '../../src/graph/tensor.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { floats } from '../../src/runtime/runtime.ts';

const x = input('x', 'float32', ['batch', 4]);

/** Runs a model of the one input `x`, `[1, 4]`. */
async function run(model: OnnxModel, values = [1, 2, 3, 4]): Promise<Record<string, number[]>> {
  const session = await nodeRuntime.load(model, { threads: 1 });
  const results = await session.run({ x: floats(Float32Array.from(values), [1, 4]) });
  await session.dispose();
  return Object.fromEntries(
    Object.entries(results).map(([name, { data }]) => [name, Array.from(data as Iterable<number>, Number)]),
  );
}

const operatorsOf = (model: OnnxModel): string[] => model.nodes.map(({ operator }) => operator);

describe('lower', () => {
  it('writes inputs, outputs, operator sets and metadata', () => {
    const model = lower({ y: add(x, 1) }, [x], { creator: 'test' });
    expect(model.inputs).toEqual([{ name: 'x', type: 'float32', shape: ['batch', 4] }]);
    expect(model.outputs).toEqual([{ name: 'y', type: 'float32', shape: ['batch', 4] }]);
    expect(model.nodes).toEqual([
      { operator: 'Add', domain: '', name: 'Add', inputs: ['x', 'constant'], outputs: ['y'], attributes: {} },
    ]);
    expect(model.operatorSets).toEqual({ '': 20 });
    expect(model.metadata).toEqual({ creator: 'test' });
  });

  it('puts every node after those it depends on, each once', () => {
    const shared = exp(x);
    const y = add(neg(shared), mul(shared, shared));
    const model = lower({ y, z: neg(y) }, [x]);
    expect(operatorsOf(model).filter((operator) => operator === 'Exp')).toHaveLength(1);
    const known = new Set([...model.inputs.map(({ name }) => name), ...model.initializers.map(({ name }) => name)]);
    for (const node of model.nodes) {
      for (const name of node.inputs) expect(known).toContain(name);
      for (const name of node.outputs) {
        expect(known).not.toContain(name);
        known.add(name);
      }
    }
  });

  it('names nodes by their scope, each differently', () => {
    const y = inScope('blocks.0', () => inScope('mlp', () => exp(exp(x))));
    expect(lower({ y }, [x]).nodes.map(({ name }) => name)).toEqual(['blocks.0/mlp/Exp', 'blocks.0/mlp/Exp.1']);
  });

  it('keeps the names of parameters', () => {
    const weight = constant(new Float32Array(4), [4], 'float32', 'head.bias');
    expect(lower({ y: add(x, weight) }, [x]).initializers.map(({ name }) => name)).toEqual(['head.bias']);
  });

  it('stores equal small constants and constants over the same memory once', () => {
    const large = new Float32Array(100).fill(2);
    const wide = input('wide', 'float32', [100]);
    const twice = add(add(wide, constant(large, [100], 'float32')), constant(large, [100], 'float32'));
    const model = lower({ y: add(mul(twice, 3), 3) }, [wide]);
    expect(model.initializers.map(({ shape }) => shape)).toEqual([[100], []]);
    expect(model.initializers[0]?.bytes.buffer).toBe(large.buffer);
  });

  it('does not mix up constants of equal bytes but another type or shape', () => {
    const [flat, row] = [
      constant(new Float32Array(4), [4], 'float32'),
      constant(new Float32Array(4), [1, 4], 'float32'),
    ];
    const y = add(add(x, flat), reshape(row, [1, 1, 4]));
    expect(lower({ y, z: add(x, row) }, [x]).initializers.map(({ shape }) => shape)).toEqual([[4], [1, 1, 4], [1, 4]]);
  });

  it('lets custom and stopped gradients vanish', () => {
    const y = stopGradient(customGradient(exp(stopGradient(x)), [x], (gradient) => [gradient]));
    const model = lower({ y }, [x]);
    expect(operatorsOf(model)).toEqual(['Exp']);
    expect(model.nodes[0]?.outputs).toEqual(['y']);
  });

  it('gives outputs that are inputs, constants or other outputs an Identity', async () => {
    const y = exp(x);
    const weight = constant(Float32Array.of(7), [1], 'float32', 'weight');
    const model = lower({ same: x, stopped: stopGradient(x), fixed: weight, y, again: y }, [x]);
    expect(operatorsOf(model).filter((operator) => operator === 'Identity')).toHaveLength(4);
    const e = [1, 2, 3, 4].map((at) => Math.fround(Math.exp(at)));
    const results = await run(model);
    expect(results).toMatchObject({ same: [1, 2, 3, 4], stopped: [1, 2, 3, 4], fixed: [7] });
    expect(results['again']).toEqual(results['y']);
    results['y']?.forEach((value, index) => expect(value).toBeCloseTo(e[index] as number, 4));
  });

  it('keeps an output apart from a parameter or a node of the same name', async () => {
    const weight = constant(Float32Array.of(7), [1], 'float32', 'y');
    expect(await run(lower({ y: add(x, weight) }, [x]))).toEqual({ y: [8, 9, 10, 11] });
    expect(await run(lower({ y: x, z: add(x, weight) }, [x]))).toEqual({ y: [1, 2, 3, 4], z: [8, 9, 10, 11] });
    expect(await run(lower({ y: weight }, [x]))).toEqual({ y: [7] });
    expect(await run(lower({ Neg: add(neg(x), 1) }, [x]))).toEqual({ Neg: [0, -1, -2, -3] });
  });

  it('keeps an input apart from a parameter of the same name', async () => {
    const weight = constant(Float32Array.of(7), [1], 'float32', 'x');
    expect(await run(lower({ y: add(x, weight) }, [x]))).toEqual({ y: [8, 9, 10, 11] });
  });

  it('leaves optional outputs blank where nothing reads them', async () => {
    const [scale, bias] = [
      constant(new Float32Array(4).fill(1), [4], 'float32'),
      constant(new Float32Array(4), [4], 'float32'),
    ];
    const { y, inverseStandardDeviation } = layerNormalization(x, scale, bias, 0);
    expect(lower({ y }, [x]).nodes[0]?.outputs).toEqual(['y']);
    const model = lower({ y, inverse: inverseStandardDeviation }, [x]);
    expect(model.nodes[0]?.outputs).toEqual(['y', '', 'inverse']);
    expect((await run(model))['inverse']?.[0]).toBeCloseTo(1 / Math.sqrt(1.25), 5);
  });

  it('runs where only one of several outputs is read', async () => {
    expect(await run(lower({ i: topK(x, 2).indices }, [x]))).toEqual({ i: [3, 2] });
    expect(await run(lower({ p: split(x, 1, [1, 2, 1])[1] as Tensor }, [x]))).toEqual({ p: [2, 3] });
  });

  it('lowers forward and backward together', async () => {
    const loss = reduceSum(mul(exp(x), x), [0, 1]);
    const [gradient] = gradients(loss, [x]) as [Tensor];
    const model = lower({ loss, gradient }, [x]);
    expect(operatorsOf(model).filter((operator) => operator === 'Exp')).toHaveLength(1);
    const results = await run(model, [0, 1, -1, 2]);
    [0, 1, -1, 2].forEach((at, index) => expect(results['gradient']?.[index]).toBeCloseTo(Math.exp(at) * (1 + at), 4));
  });

  it('lowers a chain of ten thousand nodes', () => {
    let y: Tensor = x;
    for (let index = 0; index < 10_000; index++) y = neg(y);
    expect(lower({ y }, [x]).nodes).toHaveLength(10_000);
  });
});

describe('lower refuses', () => {
  it('an input that is missing', () => {
    const other = input('attention_mask', 'float32', ['batch', 4]);
    expect(() => lower({ y: add(x, other) }, [x])).toThrow(DiffrateError);
    expect(() => lower({ y: add(x, other) }, [x])).toThrow(
      'The graph reads the input "attention_mask", which is not among the model\'s inputs.',
    );
  });

  it('an input that is none', () => {
    expect(() => lower({ y: x }, [scalar(1)])).toThrow(/Only tensors made by input\(\) can be inputs/);
  });

  it('one name for two inputs, or for an input and an output', () => {
    const twin = input('x', 'float32', ['batch', 4]);
    expect(() => lower({ y: add(x, twin) }, [x, twin])).toThrow(
      'Two inputs of the model are named "x"; give each a name of its own.',
    );
    expect(() => lower({ x: exp(x) }, [x])).toThrow(
      'An input and an output of the model are both named "x"; rename one.',
    );
  });
});
