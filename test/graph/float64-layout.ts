/**
 * Float64 meanings of ONNX's operators that move and choose data, written from
 * onnx/docs/Operators.md.
 */
import { broadcastElement, commonShape, elementAt, fromPositions } from './float64-array.ts';
import type { Float64Tensor } from './float64-array.ts';
import type { Meaning } from './float64-numeric.ts';
import { elementCount } from '../../src/graph/tensor.ts';

const positive = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

const vector = (values: readonly number[]): Float64Tensor => ({
  shape: [values.length],
  data: Float64Array.from(values),
});

const reshape: Meaning = ({ input }) => {
  const x = input(0);
  const asked = [...input(1).data].map((size, axis) => (size === 0 ? (x.shape[axis] as number) : size));
  const known = elementCount(asked.filter((size) => size !== -1));
  const shape = asked.map((size) => (size === -1 ? x.data.length / known : size));
  if (elementCount(shape) !== x.data.length)
    throw new RangeError(`cannot reshape ${x.shape.join('×')} to ${shape.join('×')}`);
  return [{ shape, data: x.data }];
};

const slice: Meaning = ({ inputs, input }) => {
  const x = input(0);
  let result = x;
  const axes = [...(inputs[3]?.data ?? x.shape.keys())];
  axes.forEach((axis, index) => {
    const at = positive(axis, x.shape.length);
    const size = x.shape[at] as number;
    const bound = (value: number): number => Math.min(size, Math.max(0, value < 0 ? value + size : value));
    const [start, end] = [bound(input(1).data[index] as number), bound(input(2).data[index] as number)];
    const step = inputs[4]?.data[index] ?? 1;
    const before = result;
    const shape = before.shape.with(at, Math.ceil((end - start) / step));
    result = fromPositions(shape, (position) =>
      elementAt(before, position.with(at, start + (position[at] as number) * step)),
    );
  });
  return [result];
};

const pad: Meaning = ({ inputs, input }) => {
  const x = input(0);
  const amounts = input(1).data;
  const axes = [...(inputs[3]?.data ?? x.shape.keys())].map((axis) => positive(axis, x.shape.length));
  const before = x.shape.map((_, axis) => (axes.includes(axis) ? (amounts[axes.indexOf(axis)] as number) : 0));
  const after = x.shape.map((_, axis) =>
    axes.includes(axis) ? (amounts[axes.length + axes.indexOf(axis)] as number) : 0,
  );
  const shape = x.shape.map((size, axis) => size + (before[axis] as number) + (after[axis] as number));
  return [
    fromPositions(shape, (position) => {
      const own = position.map((at, axis) => at - (before[axis] as number));
      const inside = own.every((at, axis) => at >= 0 && at < (x.shape[axis] as number));
      return inside ? elementAt(x, own) : (inputs[2]?.data[0] ?? 0);
    }),
  ];
};

const concat: Meaning = ({ inputs, int }) => {
  const parts = inputs as readonly Float64Tensor[];
  const first = parts[0] as Float64Tensor;
  const axis = positive(int('axis', 0), first.shape.length);
  const sources = parts.flatMap((part) =>
    Array.from({ length: part.shape[axis] as number }, (_, index) => ({ part, index })),
  );
  return [
    fromPositions(first.shape.with(axis, sources.length), (position) => {
      const { part, index } = sources[position[axis] as number] as { part: Float64Tensor; index: number };
      return elementAt(part, position.with(axis, index));
    }),
  ];
};

const split: Meaning = ({ input, int }) => {
  const x = input(0);
  const axis = positive(int('axis', 0), x.shape.length);
  let start = 0;
  return [...input(1).data].map((size) => {
    const from = start;
    start += size;
    return fromPositions(x.shape.with(axis, size), (position) =>
      elementAt(x, position.with(axis, from + (position[axis] as number))),
    );
  });
};

/** Indices of a line in order of its values; equal values keep their order. */
const ranked = (line: readonly number[], largest: boolean): number[] =>
  line
    .map((_, index) => index)
    .sort((a, b) => (largest ? 1 : -1) * ((line[b] as number) - (line[a] as number)) || a - b);

const lineAt = (x: Float64Tensor, position: readonly number[], axis: number): number[] =>
  Array.from({ length: x.shape[axis] as number }, (_, index) => elementAt(x, position.with(axis, index)));

const topK: Meaning = ({ input, int }) => {
  const x = input(0);
  const axis = positive(int('axis', -1), x.shape.length);
  const shape = x.shape.with(axis, input(1).data[0] as number);
  const chosen = (position: readonly number[]): number =>
    ranked(lineAt(x, position, axis), int('largest', 1) === 1)[position[axis] as number] as number;
  return [
    fromPositions(shape, (position) => elementAt(x, position.with(axis, chosen(position)))),
    fromPositions(shape, chosen),
  ];
};

const argMax: Meaning = ({ input, int }) => {
  const x = input(0);
  const axis = positive(int('axis', 0), x.shape.length);
  const kept = fromPositions(x.shape.with(axis, 1), (position) => ranked(lineAt(x, position, axis), true)[0] as number);
  return [int('keepdims', 1) === 1 ? kept : { shape: x.shape.toSpliced(axis, 1), data: kept.data }];
};

const gather: Meaning = ({ input, int }) => {
  const [x, indices] = [input(0), input(1)];
  const axis = positive(int('axis', 0), x.shape.length);
  const after = axis + indices.shape.length;
  return [
    fromPositions(x.shape.toSpliced(axis, 1, ...indices.shape), (position) => {
      const index = elementAt(indices, position.slice(axis, after));
      return elementAt(x, [
        ...position.slice(0, axis),
        positive(index, x.shape[axis] as number),
        ...position.slice(after),
      ]);
    }),
  ];
};

const gatherND: Meaning = ({ input, int }) => {
  const [x, indices] = [input(0), input(1)];
  const batch = int('batch_dims', 0);
  const outer = indices.shape.slice(0, -1);
  const width = indices.shape.at(-1) as number;
  return [
    fromPositions([...outer, ...x.shape.slice(batch + width)], (position) => {
      const tuple = Array.from({ length: width }, (_, part) =>
        elementAt(indices, [...position.slice(0, outer.length), part]),
      );
      return elementAt(x, [...position.slice(0, batch), ...tuple, ...position.slice(outer.length)]);
    }),
  ];
};

const gatherElements: Meaning = ({ input, int }) => {
  const [x, indices] = [input(0), input(1)];
  const axis = positive(int('axis', 0), x.shape.length);
  return [fromPositions(indices.shape, (position) => elementAt(x, position.with(axis, elementAt(indices, position))))];
};

const scatterElements: Meaning = ({ input, int }) => {
  const [x, indices, updates] = [input(0), input(1), input(2)];
  const axis = positive(int('axis', 0), x.shape.length);
  return [
    fromPositions(x.shape, (position) => {
      const place = lineAt(indices, position, axis).lastIndexOf(position[axis] as number);
      return place < 0 ? elementAt(x, position) : elementAt(updates, position.with(axis, place));
    }),
  ];
};

/** Meanings by operator name. */
export const layoutMeanings: Readonly<Record<string, Meaning>> = {
  Identity: ({ input }) => [input(0)],
  Reshape: reshape,
  Transpose: ({ input, ints }) => {
    const [x, permutation] = [input(0), ints('perm')];
    const shape = permutation.map((axis) => x.shape[axis] as number);
    return [
      fromPositions(shape, (position) =>
        elementAt(
          x,
          x.shape.map((_, axis) => position[permutation.indexOf(axis)] as number),
        ),
      ),
    ];
  },
  Slice: slice,
  Pad: pad,
  Concat: concat,
  Split: split,
  Shape: ({ input }) => [vector(input(0).shape)],
  Expand: ({ input }) => {
    const shape = commonShape([input(0).shape, [...input(1).data]]);
    return [fromPositions(shape, (position) => broadcastElement(input(0), position))];
  },
  TopK: topK,
  ArgMax: argMax,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  ScatterElements: scatterElements,
};
