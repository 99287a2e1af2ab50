/**
 * Float64 meanings of ONNX's computing operators, written from the operator documentation
 * (onnx/docs/Operators.md).
 */
import { elementAt, elementWise, fromPositions } from './float64-array.ts';
import type { Float64Tensor } from './float64-array.ts';

/** What an operator's meaning is given: its inputs and its attributes as plain values. */
export interface Invocation {
  readonly inputs: readonly (Float64Tensor | undefined)[];
  /** An input that must be there. */
  readonly input: (index: number) => Float64Tensor;
  readonly int: (name: string, otherwise: number) => number;
  readonly float: (name: string, otherwise: number) => number;
  readonly ints: (name: string) => readonly number[];
}

/** Outputs of an operator. */
export type Meaning = (invocation: Invocation) => readonly Float64Tensor[];

const unary =
  (apply: (x: number) => number): Meaning =>
  ({ input }) => [elementWise([input(0)], apply)];

const binary =
  (apply: (a: number, b: number) => number): Meaning =>
  ({ input }) => [elementWise([input(0), input(1)], apply)];

/**
 * erf by its series with positive terms only, `2/√π·e^(−x²)·Σ 2ⁿx^(2n+1)/(2n+1)!!` (Abramowitz &
 * Stegun 7.1.6).
 */
export function errorFunction(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const positive = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** Replaces every line along an axis. */
function alongAxis(
  x: Float64Tensor,
  axis: number,
  apply: (line: readonly number[]) => readonly number[],
): Float64Tensor {
  const at = positive(axis, x.shape.length);
  const size = x.shape[at] as number;
  return fromPositions(x.shape, (position) => {
    const line = Array.from({ length: size }, (_, index) => elementAt(x, position.with(at, index)));
    return apply(line)[position[at] as number] as number;
  });
}

/** Reduces some axes to one number. */
function reduceAxes(
  x: Float64Tensor,
  axes: readonly number[],
  keep: boolean,
  apply: (values: readonly number[]) => number,
): Float64Tensor {
  const reduced = axes.map((axis) => positive(axis, x.shape.length));
  const groups = new Map<string, number[]>();
  x.data.forEach((value, offset) => {
    let rest = offset;
    const position = x.shape.map(() => 0);
    for (let axis = x.shape.length - 1; axis >= 0; axis--) {
      const size = x.shape[axis] as number;
      position[axis] = reduced.includes(axis) ? 0 : rest % size;
      rest = Math.floor(rest / size);
    }
    const key = position.join(',');
    groups.set(key, [...(groups.get(key) ?? []), value]);
  });
  const kept = x.shape.map((size, axis) => (reduced.includes(axis) ? 1 : size));
  const data = Float64Array.from([...groups.values()], apply);
  return { shape: keep ? kept : kept.filter((_, axis) => !reduced.includes(axis)), data };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const reduction =
  (apply: (values: readonly number[]) => number): Meaning =>
  ({ input, int }) => [reduceAxes(input(0), [...input(1).data], int('keepdims', 1) === 1, apply)];

function logSumExp(line: readonly number[]): number {
  const largest = Math.max(...line);
  return largest + Math.log(sum(line.map((value) => Math.exp(value - largest))));
}

const matMul: Meaning = ({ input }) => {
  const [a, b] = [input(0), input(1)];
  const inner = a.shape.at(-1) as number;
  const rank = Math.max(a.shape.length, b.shape.length);
  const leading = Array.from({ length: rank - 2 }, (_, axis) => {
    const sizes = [a, b].map(({ shape }) => shape[axis - rank + shape.length] ?? 1);
    return Math.max(...sizes);
  });
  const at = (x: Float64Tensor, position: readonly number[], row: number, column: number): number => {
    const own = position
      .slice(position.length - (x.shape.length - 2))
      .map((index, axis) => (x.shape[axis] === 1 ? 0 : index));
    return elementAt(x, [...(x.shape.length === 2 ? [] : own), row, column]);
  };
  const shape = [...leading, a.shape.at(-2) as number, b.shape.at(-1) as number];
  return [
    fromPositions(shape, (position) => {
      const outer = position.slice(0, -2);
      const [row, column] = position.slice(-2) as [number, number];
      return sum(Array.from({ length: inner }, (_, k) => at(a, outer, row, k) * at(b, outer, k, column)));
    }),
  ];
};

const layerNormalization: Meaning = ({ input, float }) => {
  const [x, scale, bias] = [input(0), input(1), input(2)];
  const last = [x.shape.length - 1];
  const mean = reduceAxes(x, last, true, (values) => sum(values) / values.length);
  const centered = elementWise([x, mean], (value, average) => value - average);
  const inverse = reduceAxes(
    centered,
    last,
    true,
    (values) => 1 / Math.sqrt(sum(values.map((value) => value ** 2)) / values.length + float('epsilon', 1e-5)),
  );
  const y = elementWise(
    [centered, inverse, scale, bias],
    (value, factor, weight, offset) => value * factor * weight + offset,
  );
  return [y, mean, inverse];
};

/** Element type numbers whose values are whole (`TensorProto.DataType`). */
const wholeTypes: ReadonlySet<number> = new Set([2, 3, 6, 7]);

/** Meanings by operator name. */
export const numericMeanings: Readonly<Record<string, Meaning>> = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b) => a / b),
  Max: binary(Math.max),
  Min: binary(Math.min),
  Equal: binary((a, b) => Number(a === b)),
  Less: binary((a, b) => Number(a < b)),
  Greater: binary((a, b) => Number(a > b)),
  GreaterOrEqual: binary((a, b) => Number(a >= b)),
  Pow: binary((a, b) => a ** b),
  Neg: unary((x) => -x),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Erf: unary(errorFunction),
  Tanh: unary(Math.tanh),
  Sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  Relu: unary((x) => Math.max(x, 0)),
  Abs: unary(Math.abs),
  Clip: ({ input }) => [elementWise([input(0), input(2)], (x, largest) => Math.min(x, largest))],
  Elu: unary((x) => (x > 0 ? x : Math.expm1(x))),
  Gelu: unary((x) => 0.5 * x * (1 + errorFunction(x / Math.SQRT2))),
  BiasGelu: ({ input }) => [
    elementWise([input(0), input(1)], (x, bias) => 0.5 * (x + bias) * (1 + errorFunction((x + bias) / Math.SQRT2))),
  ],
  Cast: ({ input, int }) => {
    const to = int('to', 1);
    return [elementWise([input(0)], (x) => (to === 9 ? Number(x !== 0) : wholeTypes.has(to) ? Math.trunc(x) : x))];
  },
  Where: ({ input }) => [elementWise([input(0), input(1), input(2)], (condition, a, b) => (condition === 0 ? b : a))],
  MatMul: matMul,
  Gemm: ({ input, int, float, inputs }) => {
    const [a, b] = [input(0), input(1)];
    const transposed = int('transB', 0) === 1;
    const columns = b.shape[transposed ? 0 : 1] as number;
    const inner = a.shape[1] as number;
    return [
      fromPositions([a.shape[0] as number, columns], ([row = 0, column = 0]) => {
        const terms = Array.from(
          { length: inner },
          (_, k) => elementAt(a, [row, k]) * elementAt(b, transposed ? [column, k] : [k, column]),
        );
        return float('alpha', 1) * sum(terms) + (inputs.length > 2 ? elementAt(input(2), [column]) : 0);
      }),
    ];
  },
  Conv: ({ input, ints }) => {
    const [x, weight, bias] = [input(0), input(1), input(2)];
    const [down = 1, across = 1] = ints('strides');
    const [outputs = 1, channels = 1, rows = 1, columns = 1] = weight.shape;
    const [batch = 1, , height = 1, width = 1] = x.shape;
    const steps = (size: number, kernel: number, stride: number): number => Math.floor((size - kernel) / stride) + 1;
    const shape = [batch, outputs, steps(height, rows, down), steps(width, columns, across)];
    return [
      fromPositions(shape, ([image = 0, output = 0, top = 0, left = 0]) => {
        let total = elementAt(bias, [output]);
        for (let channel = 0; channel < channels; channel++)
          for (let row = 0; row < rows; row++)
            for (let column = 0; column < columns; column++)
              total +=
                elementAt(x, [image, channel, top * down + row, left * across + column]) *
                elementAt(weight, [output, channel, row, column]);
        return total;
      }),
    ];
  },
  ReduceSum: reduction(sum),
  ReduceMean: reduction((values) => sum(values) / values.length),
  ReduceMax: reduction((values) => Math.max(...values)),
  ReduceL2: reduction((values) => Math.sqrt(sum(values.map((value) => value ** 2)))),
  Softmax: ({ input, int }) => [
    alongAxis(input(0), int('axis', -1), (line) => line.map((value) => Math.exp(value - logSumExp(line)))),
  ],
  LogSoftmax: ({ input, int }) => [
    alongAxis(input(0), int('axis', -1), (line) => line.map((value) => value - logSumExp(line))),
  ],
  LayerNormalization: layerNormalization,
};
