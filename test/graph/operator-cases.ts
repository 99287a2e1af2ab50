/**
 * One random call per operator of `src/graph/operators`: its results, of which the float ones are
 * differentiable.
 */
import * as operators from '../../src/graph/operators/index.ts';
import { constant, makeSingle, sizeAt } from '../../src/graph/tensor.ts';
import type { Shape, Tensor } from '../../src/graph/tensor.ts';
import type { Draw, Range } from './draw.ts';

/** Builds a call from drawn inputs. */
export type OperatorCase = (draw: Draw) => readonly Tensor[];

const unary =
  (operator: (x: Tensor) => Tensor, range: Range = 'any'): OperatorCase =>
  (draw) => [operator(draw.floats(draw.shape(0), range))];

/** Two broadcast operands, one of which may be a plain number. */
const binary =
  (operator: (a: operators.Operand, b: operators.Operand) => Tensor, range: Range = 'any', offset = 0): OperatorCase =>
  (draw) => {
    const [a, b] = draw.broadcastPair();
    return draw.oneOf(
      () => [operator(draw.floats(a, range), draw.floats(b, range, offset))],
      () => [operator(draw.floats(a, range), 0.75 + offset)],
      () => [operator(0.75 + offset, draw.floats(b, range))],
    )();
  };

/** A comparison of values of which many are equal. */
const comparison =
  (operator: (a: operators.Operand, b: operators.Operand) => Tensor): OperatorCase =>
  (draw) => {
    const [a, b] = draw.broadcastPair();
    return [operator(draw.indices(a, 3), draw.indices(b, 3)), operator(draw.floats(a), draw.floats(b))];
  };

const someAxes = (draw: Draw, rank: number): number[] => {
  const axes = Array.from({ length: rank }, (_, axis) => axis).filter(() => draw.oneOf(true, false));
  return axes.map((axis) => (draw.oneOf(true, false) ? axis - rank : axis));
};

/** A reduction over some axes, all of them or none. */
export const reduction =
  (operator: typeof operators.reduceSum, range: Range = 'any'): OperatorCase =>
  (draw) => {
    const shape = draw.shape(1);
    return [operator(draw.floats(shape, range), someAxes(draw, shape.length), draw.oneOf(true, false))];
  };

const alongAxis =
  (operator: (x: Tensor, axis: number) => Tensor): OperatorCase =>
  (draw) => {
    const shape = draw.shape(1);
    return [operator(draw.floats(shape), draw.integer(-shape.length, shape.length - 1))];
  };

const axisOf = (draw: Draw, shape: Shape): number => draw.integer(0, shape.length - 1);

/** A shape whose axis has at least two elements, and that axis. */
function withRange(draw: Draw): { shape: Shape; axis: number; size: number; from: number; to: number } {
  const shape = draw.shape(1);
  const axis = axisOf(draw, shape);
  const size = draw.integer(2, 6);
  const from = draw.integer(0, size - 1);
  return { shape: shape.with(axis, size), axis, size, from, to: draw.integer(from + 1, size) };
}

/** Ways to write the same elements: merged axes, split axes, added ones; a named axis may move. */
function reshaped(draw: Draw): readonly Tensor[] {
  const [first, second, third] = [draw.dimension('batch'), draw.size(), draw.size()];
  const x = draw.floats([first, second * third, 2]);
  return draw.oneOf<() => Tensor[]>(
    () => [operators.reshape(x, [first, second, third, 2])],
    () => [operators.reshape(x, [second, first, third * 2])],
    () => [operators.reshape(x, [1, first, 1, second * third * 2])],
    () => [
      operators.reshape(
        operators.reshape(x, [typeof first === 'number' ? first * second * third : `batch*${second * third}`, 2]),
        x.shape,
      ),
    ],
  )();
}

function matrices(draw: Draw): readonly Tensor[] {
  const [m, k, n] = [draw.dimension('m'), draw.size(), draw.size()];
  const [left, right] = draw.broadcastPair(2);
  return draw.oneOf<() => Tensor[]>(
    () => [operators.matMul(draw.floats([...left, m, k]), draw.floats([...right, k, n]))],
    () => [operators.matMul(draw.floats([...left, m, k]), draw.floats([k, n]))],
    () => [operators.matMul(draw.floats([m, k]), draw.floats([...right, k, n]))],
  )();
}

/** A named or plain axis of two parts, of which the second has a name of its own. */
function joined(draw: Draw): readonly Tensor[] {
  const shape = draw.shape(1);
  const axis = axisOf(draw, shape);
  const parts = ['a', 'b', 'c']
    .slice(0, draw.integer(1, 3))
    .map((name) => draw.floats(shape.with(axis, draw.dimension(name))));
  return [operators.concat(parts, draw.oneOf(axis, axis - shape.length))];
}

function layerNorm(draw: Draw): readonly Tensor[] {
  // Of two elements the gradient vanishes, and only rounding is left.
  const width = draw.integer(3, 5);
  const x = draw.distinct([...draw.shape(0, 2), width]);
  const ones = constant(new Float32Array(width).fill(1), [width], 'float32');
  const zeros = constant(new Float32Array(width), [width], 'float32');
  const [scale, bias] = draw.oneOf<() => [Tensor, Tensor]>(
    () => [draw.floats([width], 'away from zero'), draw.floats([width])],
    () => [ones, zeros],
    () => [ones, draw.floats([width])],
  )();
  const { y, mean, inverseStandardDeviation } = operators.layerNormalization(x, scale, bias, draw.oneOf(1e-6, 1e-2));
  return draw.oneOf([y], [y, mean, inverseStandardDeviation], [y, inverseStandardDeviation]);
}

/** `k` as a number or as a vector; an axis of at least two. */
function chosen(draw: Draw): readonly Tensor[] {
  const size = draw.integer(2, 6);
  const k = draw.named('k');
  const x = draw.floats([...draw.shape(0, 2), size + 4]);
  const [kept] = draw.sizes([k]) as [number];
  const { values, indices } = operators.topK(
    x,
    draw.oneOf<number | { count: Tensor; name: string }>(kept, { count: draw.bound(kept), name: String(k) }),
    draw.oneOf(true, false),
  );
  return draw.oneOf([values, indices], [indices]);
}

/** Calls by the name of the exported function. */
export const operatorCases: Readonly<Record<keyof typeof operators, OperatorCase>> = {
  add: binary(operators.add),
  sub: binary(operators.sub),
  mul: binary(operators.mul),
  div: binary(operators.div, 'away from zero'),
  // The second operand never comes nearer than 1/128 to the first: no kinks.
  max: binary(operators.max, 'any', 1 / 128),
  min: binary(operators.min, 'any', 1 / 128),
  equal: comparison(operators.equal),
  less: comparison(operators.less),
  greater: comparison(operators.greater),
  greaterOrEqual: comparison(operators.greaterOrEqual),
  pow: (draw) => [operators.pow(draw.floats(draw.shape(0), 'positive'), draw.oneOf(2, 3, -1, 0.5))],
  neg: unary(operators.neg),
  sqrt: unary(operators.sqrt, 'positive'),
  reciprocal: unary(operators.reciprocal, 'away from zero'),
  exp: unary(operators.exp),
  log: unary(operators.log, 'positive'),
  erf: unary(operators.erf),
  tanh: unary(operators.tanh),
  sigmoid: unary(operators.sigmoid),
  relu: unary(operators.relu, 'away from zero'),
  abs: unary(operators.abs, 'away from zero'),
  elu: unary(operators.elu),
  gelu: unary(operators.gelu),
  biasGelu: (draw) => {
    const width = draw.size();
    return [operators.biasGelu(draw.floats([...draw.shape(0, 2), width]), draw.floats([width]))];
  },
  cast: (draw) => {
    const shape = draw.shape(0);
    return draw.oneOf<() => Tensor[]>(
      () => [operators.cast(draw.floats(shape), 'float32')],
      () => [operators.cast(draw.floats(shape), 'int64'), operators.cast(draw.floats(shape), 'bool')],
      () => [operators.cast(draw.indices(shape, 5), 'float32'), operators.cast(draw.booleans(shape), 'float32')],
    )();
  },
  where: (draw) => {
    const [a, b] = draw.broadcastPair();
    const condition = draw.booleans(draw.oneOf(a, b));
    return draw.oneOf<() => Tensor[]>(
      () => [operators.where(condition, draw.floats(a), draw.floats(b))],
      () => [operators.where(condition, draw.floats(a), -3)],
      () => [operators.where(condition, -3, draw.floats(b))],
    )();
  },
  matMul: matrices,
  gemm: (draw) => {
    const [m, k, n] = [draw.dimension('rows'), draw.size(), draw.size()];
    const transposed = draw.oneOf(true, false);
    const bias = draw.oneOf(true, false) ? draw.floats([n]) : undefined;
    return [operators.gemm(draw.floats([m, k]), draw.floats(transposed ? [n, k] : [k, n]), bias, transposed)];
  },
  clip: unary((x) => operators.clip(x, 0.25)),
  conv: (draw) => {
    const [batch, channels, outputs, patch] = [draw.dimension('batch'), draw.size(), draw.size(), draw.size()];
    // Pixels that are left over at the right and at the bottom belong to no patch.
    const side = (): number => draw.integer(patch, 3 * patch);
    const pixels = draw.floats([batch, channels, side(), side()]);
    return [operators.conv(pixels, draw.floats([outputs, channels, patch, patch]), draw.floats([outputs]))];
  },
  reshape: reshaped,
  transpose: (draw) => {
    const shape = draw.shape(1);
    const x = draw.floats(shape);
    const axes = shape.map((_, axis) => axis);
    for (const axis of axes) {
      const other = draw.integer(axis, axes.length - 1);
      [axes[axis], axes[other]] = [axes[other] as number, axes[axis] as number];
    }
    return [operators.transpose(x, axes)];
  },
  concat: joined,
  slice: (draw) => {
    const { shape, axis, size, from, to } = withRange(draw);
    const x = draw.floats(shape);
    return draw.oneOf<() => Tensor[]>(
      () => [operators.slice(x, axis, from, to)],
      () => [operators.slice(x, axis - shape.length, from - size)],
      () => [operators.slice(x, axis, from, to - size === 0 ? undefined : to - size)],
      () => [operators.slice(operators.cast(x, 'int64'), axis, from, to, 2)],
    )();
  },
  dynamicSlice: (draw) => {
    const { shape, axis, from, to } = withRange(draw);
    return [operators.dynamicSlice(draw.floats(shape), axis, draw.bound(from), draw.bound(to), to - from)];
  },
  pad: (draw) => {
    const shape = draw.shape(1);
    const axis = axisOf(draw, shape);
    const [before, after] = [draw.integer(0, 3), draw.integer(0, 3)];
    const x = draw.floats(shape.with(axis, 2));
    return [
      operators.pad(
        x,
        axis,
        draw.oneOf<number | Tensor>(before, draw.bound(before)),
        draw.oneOf<number | Tensor>(after, draw.bound(after)),
        2 + before + after,
      ),
    ];
  },
  split: (draw) => {
    const shape = draw.shape(1);
    const axis = axisOf(draw, shape);
    const sizes = Array.from({ length: draw.integer(1, 3) }, () => draw.size());
    const x = draw.floats(
      shape.with(
        axis,
        sizes.reduce((sum, size) => sum + size, 0),
      ),
    );
    const parts = operators.split(x, axis, sizes);
    return draw.oneOf(parts, parts.slice(-1), parts.slice(0, 1));
  },
  shapeOf: (draw) => [operators.shapeOf(draw.floats(draw.shape(0)))],
  expandLike: (draw) => {
    const like = draw.floats(draw.shape(0));
    const shape = like.shape.slice(draw.integer(0, like.shape.length)).map((size) => draw.oneOf(1, size));
    return [operators.expandLike(draw.floats(shape), like)];
  },
  reduceSum: reduction(operators.reduceSum),
  reduceMean: reduction(operators.reduceMean),
  reduceMax: reduction(operators.reduceMax),
  reduceL2: reduction(operators.reduceL2),
  softmax: alongAxis(operators.softmax),
  logSoftmax: alongAxis(operators.logSoftmax),
  layerNormalization: layerNorm,
  topK: chosen,
  argMax: (draw) => {
    const shape = draw.shape(1);
    const axis = draw.integer(-shape.length, shape.length - 1);
    return [operators.argMax(draw.floats(shape), axis, draw.oneOf(true, false))];
  },
  gather: (draw) => {
    const shape = draw.shape(1, 3);
    const axis = axisOf(draw, shape);
    const size = draw.size();
    const indices = draw.indices(draw.oneOf<Shape>([], [draw.size()], [draw.dimension('k')], [2, draw.size()]), size);
    return [operators.gather(draw.floats(shape.with(axis, size)), indices, axis)];
  },
  gatherND: (draw) => {
    const [batch, picked] = [draw.dimension('batch'), draw.dimension('picked')];
    const x = draw.floats([batch, draw.size(), ...draw.oneOf<Shape>([], [draw.size()], [2, draw.size()])]);
    return [operators.gatherND(x, draw.indices([batch, picked, 1], sizeAt(x, 1)))];
  },
  gatherElements: (draw) => {
    const shape: Shape = [draw.dimension('batch'), draw.integer(2, 5), draw.size()];
    const { indices } = operators.topK(draw.floats(shape), draw.integer(1, Number(shape[1])), true, 1);
    return [operators.gatherElements(draw.floats(shape), indices, draw.oneOf(1, -2))];
  },
  // Indices of a line are distinct: which of two equal ones wins is not the operator's to say.
  scatterElements: (draw) => {
    const shape: Shape = [draw.dimension('batch'), draw.size(), draw.size()];
    const { indices } = operators.topK(draw.floats(shape), draw.integer(1, Number(shape[1])), true, 1);
    const updates = draw.floats(indices.shape);
    return [operators.scatterElements(draw.floats(shape), indices, updates, draw.oneOf(1, -2))];
  },
};

/** A node that has a gradient rule and no function of its own: lowering makes it. */
export const identityCase: OperatorCase = (draw) => {
  const x = draw.floats(draw.shape(0));
  return [makeSingle('Identity', [x], { type: x.type, shape: x.shape })];
};
