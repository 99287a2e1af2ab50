/** Shape rules as laws, and the sentences of operators that are used wrongly. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import * as operators from '../../src/graph/operators/index.ts';
import { broadcastShapes, factorsOf, multiplyDimensions, reducedShape, sameShape } from '../../src/graph/shapes.ts';
import { constant, dimensionAt, input, int64Vector, normalizeAxis, sizeAt } from '../../src/graph/tensor.ts';
import type { Dimension, ElementType, Shape, Tensor } from '../../src/graph/tensor.ts';

const dimension: fc.Arbitrary<Dimension> = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom('batch', 'tokens'));
const shape = fc.array(dimension, { maxLength: 4 });

describe('broadcastShapes', () => {
  const attempt = (a: Shape, b: Shape): Shape | undefined => {
    try {
      return broadcastShapes('Add', a, b);
    } catch (error) {
      expect(error).toBeInstanceOf(DiffrateError);
      return undefined;
    }
  };

  it('does not depend on the order', () => {
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        expect(attempt(a, b)).toEqual(attempt(b, a));
      }),
    );
  });

  it('leaves a shape alone with itself and with a scalar', () => {
    fc.assert(
      fc.property(shape, (a) => {
        expect(attempt(a, a)).toEqual(a);
        expect(attempt(a, [])).toEqual(a);
      }),
    );
  });

  it('is associative where it is defined', () => {
    fc.assert(
      fc.property(shape, shape, shape, (a, b, c) => {
        const [left, right] = [attempt(a, b), attempt(b, c)];
        if (left !== undefined && right !== undefined) expect(attempt(left, c)).toEqual(attempt(a, right));
      }),
    );
  });

  it('gives every axis the size of one operand, where the other has 1 or the same', () => {
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        const at = (sizes: Shape, fromEnd: number): Dimension => sizes.at(-fromEnd) ?? 1;
        const axes = Array.from({ length: Math.max(a.length, b.length) }, (_, index) => index + 1);
        const fits = axes.every((axis) => at(a, axis) === at(b, axis) || at(a, axis) === 1 || at(b, axis) === 1);
        const result = attempt(a, b);
        expect(result !== undefined).toBe(fits);
        if (result === undefined) return;
        for (const axis of axes) expect(at(result, axis)).toBe(at(a, axis) === 1 ? at(b, axis) : at(a, axis));
      }),
    );
  });
});

describe('reducedShape', () => {
  it('keeps reduced axes as ones or drops them', () => {
    fc.assert(
      fc.property(shape, fc.array(fc.nat(3)), fc.boolean(), (sizes, wanted, negative) => {
        const axes = [...new Set(wanted)].filter((axis) => axis < sizes.length);
        const named = negative ? axes.map((axis) => axis - sizes.length) : axes;
        expect(reducedShape(sizes, named, true)).toEqual(sizes.map((size, axis) => (axes.includes(axis) ? 1 : size)));
        expect(reducedShape(sizes, named, false)).toEqual(sizes.filter((_, axis) => !axes.includes(axis)));
      }),
    );
  });
});

describe('multiplyDimensions and factorsOf', () => {
  it('keep the number and the names, in however many steps', () => {
    fc.assert(
      fc.property(shape, fc.nat(4), (sizes, cut) => {
        const inSteps = [multiplyDimensions(sizes.slice(0, cut)), multiplyDimensions(sizes.slice(cut))];
        expect(factorsOf([multiplyDimensions(inSteps)])).toEqual(factorsOf(sizes));
      }),
    );
  });

  it('write products and sums readably', () => {
    expect(multiplyDimensions([2, 3])).toBe(6);
    expect(multiplyDimensions([])).toBe(1);
    expect(multiplyDimensions(['batch', 4, 1])).toBe('batch*4');
    expect(multiplyDimensions(['1+tokens', 2])).toBe('(1+tokens)*2');
  });
});

describe('sameShape', () => {
  it('is equality of lists', () => {
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        expect(sameShape(a, b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});

describe('operators that would do nothing make no node', () => {
  const x = input('x', 'float32', ['batch', 3]);
  const unchanged: readonly [string, () => Tensor][] = [
    ['reshape', () => operators.reshape(x, ['batch', 3])],
    ['transpose', () => operators.transpose(x, [0, 1])],
    ['concat', () => operators.concat([x], 0)],
    ['slice', () => operators.slice(x, 1, 0)],
    ['expandLike', () => operators.expandLike(x, x)],
    ['reduceSum', () => operators.reduceSum(x, [])],
  ];
  it.each(unchanged)('%s', (_, build) => expect(build()).toBe(x));
});

describe('constants', () => {
  const weight = constant(
    Float32Array.from({ length: 6 }, (_, index) => index),
    [3, 2],
    'float32',
    'qkv.weight',
  );
  const source = (tensor: Tensor) => (tensor.source.kind === 'constant' ? tensor.source : undefined);

  it('are transposed once, with the name of the parameter', () => {
    const [one, other] = [operators.transpose(weight, [1, 0]), operators.transpose(weight, [1, 0])];
    expect(source(one)?.name).toBe('qkv.weight.transposed');
    expect(source(one)?.bytes.buffer).toBe(source(other)?.bytes.buffer);
    expect(one.shape).toEqual([2, 3]);
  });

  it('are sliced by rows and reshaped as views', () => {
    const rows = operators.slice(weight, 0, 1, 3);
    expect(source(rows)?.name).toBe('qkv.weight[1:3]');
    expect(source(rows)?.bytes.buffer).toBe(source(weight)?.bytes.buffer);
    expect(source(operators.reshape(weight, [6]))?.bytes).toBe(source(weight)?.bytes);
  });

  it('with a named dimension are reshaped when the graph runs', () => {
    expect(operators.reshape(weight, ['n', 2]).source.kind).toBe('node');
  });
});

describe('cast', () => {
  const types: readonly [ElementType, number][] = [
    ['float32', 1],
    ['float16', 10],
    ['bfloat16', 16],
    ['float64', 11],
    ['int64', 7],
    ['bool', 9],
  ];
  it.each(types)('to %s', (type, to) => {
    const { source } = operators.cast(input('x', 'float32', [2]), type);
    expect(source.kind === 'node' && source.node.attributes).toEqual({ to: { int: to } });
  });
});

describe('errors are one sentence with the shapes', () => {
  const x = input('x', 'float32', ['batch', 4, 6]);
  const integers = input('i', 'int64', ['batch', 2, 1]);
  const sentences: readonly [() => unknown, string][] = [
    [
      () => operators.add(x, input('y', 'float32', [4, 5])),
      'Add cannot broadcast [batch, 4, 6] with [4, 5]; make axis 2 equal or 1.',
    ],
    [() => operators.mul(x, integers), 'Mul needs two tensors of one type, not float32 and int64; cast one of them.'],
    [
      () => operators.where(input('c', 'bool', [6]), integers, 0),
      'Where needs two tensors of one type, not int64 and float32; cast one of them.',
    ],
    [
      () => operators.matMul(x, input('w', 'float32', [5, 2])),
      'MatMul cannot multiply [batch, 4, 6] by [5, 2]: the inner sizes must be equal.',
    ],
    [
      () =>
        operators.conv(
          input('pixels', 'float32', ['batch', 3, 32, 32]),
          input('w', 'float32', [8, 1, 16, 16]),
          input('b', 'float32', [8]),
        ),
      'Conv cannot cut [batch, 3, 32, 32] into patches of a weight [8, 1, 16, 16] with a bias of [8]: channels must be equal, patches square and no larger than the image, the bias as long as the outputs.',
    ],
    [
      () => operators.reshape(x, ['batch', 5, 5]),
      'Reshape cannot turn [batch, 4, 6] into [batch, 5, 5]: the sizes differ.',
    ],
    [
      () => operators.reshape(x, ['batch', 24, 0]),
      'Reshape cannot turn [batch, 4, 6] into [batch, 24, 0]: the sizes differ.',
    ],
    [
      () => operators.reshape(input('y', 'float32', ['a', 'b']), ['b', 'a']),
      'Reshape cannot infer two moved dimensions of [b, a] from [a, b].',
    ],
    [() => operators.transpose(x, [0, 1, 1]), 'Transpose of [batch, 4, 6] needs each axis once, not [0, 1, 1].'],
    [() => operators.concat([], 0), 'Concat needs at least one tensor.'],
    [
      () => operators.concat([x, input('y', 'float32', ['batch', 4, 5])], 1),
      'Concat on axis 1 cannot join [batch, 4, 6] and [batch, 4, 5].',
    ],
    [
      () => operators.slice(x, 0, 1),
      'Slice of [batch, 4, 6] on axis 0 needs a size known when the graph is built; use dynamicSlice.',
    ],
    [
      () => operators.slice(x, 0, 0, 2),
      'Slice of [batch, 4, 6] on axis 0 needs a size known when the graph is built; use dynamicSlice.',
    ],
    [() => operators.slice(x, 1, 2, 2), 'Slice 2…2 of axis 1 of [batch, 4, 6] leaves nothing.'],
    [() => operators.slice(x, 1, 4), `Slice 4…${Number.MAX_SAFE_INTEGER} of axis 1 of [batch, 4, 6] leaves nothing.`],
    [() => operators.slice(x, 1, 3, 0, -1), 'Slice needs a step of at least 1, not -1.'],
    [
      () => operators.split(x, 1, [1, 2]),
      'Split of axis 1 of [batch, 4, 6] into 1 + 2 does not add up to parts of at least 1.',
    ],
    [
      () => operators.split(x, 1, [4, 0]),
      'Split of axis 1 of [batch, 4, 6] into 4 + 0 does not add up to parts of at least 1.',
    ],
    [() => operators.pad(x, 1, 1, 1, 7), 'Pad of axis 1 of [batch, 4, 6] to 7 does not fit the amounts given.'],
    [() => operators.pad(x, 1, -1, 1, 4), 'Pad of axis 1 of [batch, 4, 6] to 4 does not fit the amounts given.'],
    [() => operators.expandLike(x, input('y', 'float32', [4, 6])), 'Expand cannot turn [batch, 4, 6] into [4, 6].'],
    [() => operators.reduceSum(x, [3]), 'Axis 3 does not exist in a tensor of 3 axes.'],
    [() => operators.topK(x, 7), 'TopK cannot choose 7 of the 6 elements of [batch, 4, 6].'],
    [() => operators.topK(x, 0), 'TopK cannot choose 0 of the 6 elements of [batch, 4, 6].'],
    [() => operators.gatherND(x, int64Vector([1])), 'GatherND of [batch, 4, 6] needs indices [B, P, 1], not [1].'],
    [
      () => operators.gatherElements(x, int64Vector([1]), 1),
      'GatherElements on axis 1 of [batch, 4, 6] needs indices that differ from it on that axis alone, not [1].',
    ],
    [
      () => operators.scatterElements(x, int64Vector([1]), x, 1),
      'ScatterElements on axis 1 of [batch, 4, 6] (float32) cannot put [batch, 4, 6] (float32) at indices [1].',
    ],
    [
      () => operators.layerNormalization(x, input('s', 'float32', [5]), input('b', 'float32', [6]), 1e-6),
      'LayerNormalization of [batch, 4, 6] needs a scale and a bias of [6], not [5].',
    ],
    [
      () => constant(Float32Array.of(1, 2), [3], 'float32', 'w'),
      'The constant w of shape [3] needs 3 values and has 2.',
    ],
    [() => dimensionAt(x, 3), 'A tensor of shape [batch, 4, 6] has no axis 3.'],
    [() => sizeAt(x, 0), 'Axis 0 of [batch, 4, 6] must be a number here, not "batch".'],
    [() => normalizeAxis(0.5, 3), 'Axis 0.5 does not exist in a tensor of 3 axes.'],
  ];
  it.each(sentences.map(([build, sentence]) => ({ build, sentence })))('$sentence', ({ build, sentence }) => {
    expect(build).toThrow(DiffrateError);
    expect(build).toThrow(sentence);
  });
});
