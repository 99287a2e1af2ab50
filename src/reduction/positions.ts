/**
 * Positions of tokens as float values. Indices come out of TopK and ArgMax as int64, on which most
 * backends cannot compute. A look-up in a table of floats makes them numbers that can be compared.
 * Comparing them with every position gives one-hot rows.
 */
import { cast, equal, gather, reduceSum, reshape, scatterElements, sub } from '../graph/operators/index.ts';
import type { TopKOutputs } from '../graph/operators/index.ts';
import { constant, dimensionAt, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { perToken } from './token-layout.ts';
import type { TokenLayout } from './token-layout.ts';

/** A constant column `[1, count, 1]` of a value per position. */
export function perPosition(count: number, value: (position: number) => number): Tensor {
  return constant(
    Float32Array.from({ length: count }, (_, position) => value(position)),
    [1, count, 1],
    'float32',
  );
}

/** `[1, N, 1]`: 0 for prefix tokens, 1 for the others. */
export function gridFlags(layout: Pick<TokenLayout, 'prefix'>, count: number): Tensor {
  return perToken(layout, count, { prefix: () => 0, grid: () => 1 });
}

/** `[1, N, 1]`: a value for prefix tokens by their position, 0 for the others. */
export function prefixColumn(
  layout: Pick<TokenLayout, 'prefix'>,
  count: number,
  value: (position: number) => number,
): Tensor {
  return perToken(layout, count, { prefix: value, grid: () => 0 });
}

/** More than any two scores of a token differ by. */
const belowAll = 3e4;

/**
 * `score [B, N, 1]` with the tokens that were chosen by it put below all others: another TopK
 * chooses among the rest. If the order were turned round instead, one of two equal tokens would be
 * chosen twice.
 */
export function afterChoosing(score: Tensor, { values, indices }: TopKOutputs): Tensor {
  const lowered = sub(
    values,
    perPosition(sizeAt(values, 1), () => belowAll),
  );
  return scatterElements(score, indices, lowered, 1);
}

/** `table[index]` of int64 indices of any shape: float32 of the same shape. */
export function lookUp(indices: Tensor, count: number, value: (position: number) => number): Tensor {
  const table = Float32Array.from({ length: count }, (_, position) => value(position));
  return gather(constant(table, [count], 'float32'), indices, 0);
}

/** Indices `[B, P, 1]` of an axis of `count` elements as floats. */
export function positionsOf(indices: Tensor, count: number): Tensor {
  return lookUp(indices, count, (position) => position);
}

/** A column `[B, P, 1]` as a row `[B, 1, P]`; a transposition would be moved before the look-up. */
export function asRow(column: Tensor): Tensor {
  return reshape(column, [dimensionAt(column, 0), 1, dimensionAt(column, 1)]);
}

/** One-hot columns `[B, count, P]`: where each of the positions `[B, P, 1]` is. */
export function oneHotColumns(positions: Tensor, count: number): Tensor {
  const row = asRow(positions);
  return cast(
    equal(
      perPosition(count, (position) => position),
      row,
    ),
    'float32',
  );
}

/** One-hot rows `[B, P, count]`: where each of the positions `[B, P, 1]` is. */
export function oneHotRows(positions: Tensor, count: number): Tensor {
  return cast(
    equal(
      positions,
      reshape(
        perPosition(count, (position) => position),
        [1, 1, count],
      ),
    ),
    'float32',
  );
}

/** `[B, count, 1]`: 1 at each of the positions `[B, P, 1]`, which differ, 0 elsewhere. */
export function flagsAt(positions: Tensor, count: number): Tensor {
  return reduceSum(oneHotColumns(positions, count), [2], true);
}
