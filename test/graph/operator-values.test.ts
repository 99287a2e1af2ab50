/**
 * Each operator's parameters mean what their names say: small examples worked by hand, in NumPy's
 * terms.
 */
import { describe, expect, it } from 'vitest';
import * as operators from '../../src/graph/operators/index.ts';
import { constant, int64Vector } from '../../src/graph/tensor.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { interpret } from './float64-interpreter.ts';

const floats = (shape: number[], ...values: number[]): Tensor => constant(Float32Array.from(values), shape, 'float32');
const count = (...shape: number[]): Tensor =>
  floats(shape, ...Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, index) => index));
const booleans = (shape: number[], ...values: number[]): Tensor => constant(Uint8Array.from(values), shape, 'bool');

/** Nested lists, as NumPy prints them. */
function values(tensor: Tensor): unknown {
  const [result] = interpret([tensor], new Map());
  const nest = (shape: readonly number[], data: readonly number[]): unknown => {
    const [size, ...inner] = shape;
    if (size === undefined) return data[0];
    const step = data.length / size;
    return Array.from({ length: size }, (_, index) => nest(inner, data.slice(index * step, (index + 1) * step)));
  };
  return nest(
    result?.shape ?? [],
    Array.from(result?.data ?? [], (value) => Math.round(value * 1e4) / 1e4),
  );
}

const column = count(2, 1);
const x = count(2, 3);
const thirds = Math.round(1e4 / 3) / 1e4;
const logHalf = Math.round(-Math.LN2 * 1e4) / 1e4;

const examples: readonly [string, () => Tensor, unknown][] = [
  ['sub', () => operators.sub(column, 3), [[-3], [-2]]],
  ['div', () => operators.div(1, floats([2], 2, 4)), [0.5, 0.25]],
  [
    'max',
    () => operators.max(x, 2),
    [
      [2, 2, 2],
      [3, 4, 5],
    ],
  ],
  [
    'min',
    () => operators.min(x, 2),
    [
      [0, 1, 2],
      [2, 2, 2],
    ],
  ],
  [
    'equal',
    () => operators.equal(x, 2),
    [
      [0, 0, 1],
      [0, 0, 0],
    ],
  ],
  [
    'less',
    () => operators.less(x, 2),
    [
      [1, 1, 0],
      [0, 0, 0],
    ],
  ],
  [
    'greater',
    () => operators.greater(x, 2),
    [
      [0, 0, 0],
      [1, 1, 1],
    ],
  ],
  [
    'greaterOrEqual',
    () => operators.greaterOrEqual(x, 2),
    [
      [0, 0, 1],
      [1, 1, 1],
    ],
  ],
  ['gelu', () => operators.gelu(floats([3], -1, 0, 1)), [-0.1587, 0, 0.8413]],
  ['cast to int64', () => operators.cast(floats([3], -1.7, 0.5, 2.7), 'int64'), [-1, 0, 2]],
  ['cast to bool', () => operators.cast(floats([3], -1.7, 0, 2.7), 'bool'), [1, 0, 1]],
  [
    'where',
    () => operators.where(booleans([2, 1], 1, 0), x, -1),
    [
      [0, 1, 2],
      [-1, -1, -1],
    ],
  ],
  [
    'matMul',
    () => operators.matMul(x, operators.transpose(x, [1, 0])),
    [
      [5, 14],
      [14, 50],
    ],
  ],
  [
    'gemm',
    () => operators.gemm(x, x, floats([2], 10, 20), true),
    [
      [15, 34],
      [24, 70],
    ],
  ],
  [
    'reshape',
    () => operators.reshape(operators.add(x, 0), [3, 2]),
    [
      [0, 1],
      [2, 3],
      [4, 5],
    ],
  ],
  ['transpose', () => operators.transpose(operators.add(count(1, 2, 3), 0), [2, 0, 1]), [[[0, 3]], [[1, 4]], [[2, 5]]]],
  ['transpose of a constant', () => operators.transpose(count(1, 2, 3), [2, 0, 1]), [[[0, 3]], [[1, 4]], [[2, 5]]]],
  [
    'concat',
    () => operators.concat([x, column], -1),
    [
      [0, 1, 2, 0],
      [3, 4, 5, 1],
    ],
  ],
  [
    'slice',
    () => operators.slice(x, -1, 1),
    [
      [1, 2],
      [4, 5],
    ],
  ],
  ['slice from the end', () => operators.slice(x, 1, -2, -1), [[1], [4]]],
  [
    'slice with a step',
    () => operators.slice(x, 1, 0, 3, 2),
    [
      [0, 2],
      [3, 5],
    ],
  ],
  ['slice of rows of a constant', () => operators.slice(x, 0, 1), [[3, 4, 5]]],
  ['dynamicSlice', () => operators.dynamicSlice(x, 1, int64Vector([1]), int64Vector([2]), 1), [[1], [4]]],
  [
    'pad',
    () => operators.pad(x, -1, 1, 2, 6),
    [
      [0, 0, 1, 2, 0, 0],
      [0, 3, 4, 5, 0, 0],
    ],
  ],
  [
    'split',
    () => operators.split(x, 1, [1, 2])[1] as Tensor,
    [
      [1, 2],
      [4, 5],
    ],
  ],
  ['shapeOf', () => operators.shapeOf(x), [2, 3]],
  [
    'expandLike',
    () => operators.expandLike(column, x),
    [
      [0, 0, 0],
      [1, 1, 1],
    ],
  ],
  ['reduceSum', () => operators.reduceSum(x, [0]), [3, 5, 7]],
  ['reduceSum that keeps the axis', () => operators.reduceSum(x, [-1], true), [[3], [12]]],
  ['reduceSum over all axes', () => operators.reduceSum(x, [0, 1]), 15],
  [
    'reduceSum over none',
    () => operators.reduceSum(x, []),
    [
      [0, 1, 2],
      [3, 4, 5],
    ],
  ],
  ['reduceMean', () => operators.reduceMean(x, [1]), [1, 4]],
  ['reduceMax', () => operators.reduceMax(x, [0], true), [[3, 4, 5]]],
  ['reduceL2', () => operators.reduceL2(floats([1, 2], 3, -4), [1]), [5]],
  ['reduceL2 over none', () => operators.reduceL2(floats([1, 2], 3, -4), []), [[3, 4]]],
  ['softmax', () => operators.softmax(operators.mul(column, 0)), [[1], [1]]],
  ['softmax of the first axis', () => operators.softmax(operators.mul(column, 0), 0), [[0.5], [0.5]]],
  [
    'softmax of equals',
    () => operators.softmax(operators.mul(x, 0)),
    [
      [thirds, thirds, thirds],
      [thirds, thirds, thirds],
    ],
  ],
  ['logSoftmax', () => operators.logSoftmax(operators.mul(column, 0)), [[0], [0]]],
  ['logSoftmax of the first axis', () => operators.logSoftmax(operators.mul(column, 0), 0), [[logHalf], [logHalf]]],
  ['topK', () => operators.topK(floats([5], 1, 9, 2, 9, 4), 3).values, [9, 9, 4]],
  ['topK, equals in order', () => operators.topK(floats([5], 1, 9, 2, 9, 4), 3).indices, [1, 3, 4]],
  ['topK, smallest', () => operators.topK(floats([5], 1, 9, 2, 9, 4), 3, false).indices, [0, 2, 4]],
  ['argMax', () => operators.argMax(floats([2, 3], 1, 5, 5, 7, 0, 7), 1), [1, 0]],
  ['argMax that keeps the axis', () => operators.argMax(x, 0, true), [[1, 1, 1]]],
  [
    'gather',
    () => operators.gather(x, int64Vector([2, 0, 2]), 1),
    [
      [2, 0, 2],
      [5, 3, 5],
    ],
  ],
  [
    'gatherND',
    () => operators.gatherND(count(2, 3, 2), constant(BigInt64Array.of(2n, 0n), [2, 1, 1], 'int64')),
    [[[4, 5]], [[6, 7]]],
  ],
  [
    'concat of what was joined along another axis',
    () => operators.concat([operators.concat([column, column], 1), floats([1, 2], 7, 8)], 0),
    [
      [0, 0],
      [1, 1],
      [7, 8],
    ],
  ],
  [
    'concat of what was joined along this axis',
    () => operators.concat([operators.concat([x, column], -1), column], 1),
    [
      [0, 1, 2, 0, 0],
      [3, 4, 5, 1, 1],
    ],
  ],
  [
    'gatherElements',
    () => operators.gatherElements(x, constant(BigInt64Array.of(2n, 0n, 1n, 1n), [2, 2], 'int64'), 1),
    [
      [2, 0],
      [4, 4],
    ],
  ],
  ['pow', () => operators.pow(floats([2], -3, 2), 2), [9, 4]],
  [
    'scatterElements',
    () =>
      operators.scatterElements(
        x,
        constant(BigInt64Array.of(2n, 0n, 1n, 2n), [2, 2], 'int64'),
        floats([2, 2], 7, 8, 9, 6),
        1,
      ),
    [
      [8, 1, 7],
      [3, 9, 6],
    ],
  ],
  [
    'layerNormalization',
    () => operators.layerNormalization(floats([1, 2], -1, 1), floats([2], 2, 3), floats([2], 10, 20), 3).y,
    // Variance 1 and ε 3: the standard deviation is 2.
    [[9, 21.5]],
  ],
];

describe('operators', () => {
  it.each(examples)('%s', (_, build, expected) => {
    expect(values(build())).toEqual(expected);
  });
});
