/**
 * Sorting tokens with a gradient: rows are gathered by a permutation, and gradients by its inverse.
 * That is a copy of rows, while the general gradient of a gather is a matrix product.
 */
import {
  concat,
  expandLike,
  gatherElements,
  gatherND,
  scatterElements,
  slice,
  topK,
} from '../graph/operators/index.ts';
import { constant, customGradient, elementCount, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { mapState } from './token-state.ts';
import type { TokenState } from './token-state.ts';

/**
 * Puts the tokens of a state in descending order of `score [B, N, 1]`.
 * @param count how many of them stay, all by default; the others are gone.
 */
export function sortTokens(state: TokenState, score: Tensor, count = sizeAt(score, 1)): TokenState {
  const rows = topK(score, count, true, 1).indices;
  const backward = (gradient: Tensor): Tensor =>
    gatherND(count === sizeAt(score, 1) ? gradient : withZeroRow(gradient), placesOf(rows, score));
  const sorted = (x: Tensor): Tensor => customGradient(rowsOf(x, rows), [x], (gradient) => [backward(gradient)]);
  return mapState(state, sorted);
}

/**
 * The rows of `x [B, N, …]` at `rows [B, P, 1]`; where a row is one number, taking elements is
 * cheaper.
 */
function rowsOf(x: Tensor, rows: Tensor): Tensor {
  return x.shape.length === 3 && x.shape[2] === 1 ? gatherElements(x, rows, 1) : gatherND(x, rows);
}

/**
 * Where each of the `N` tokens went, `[B, N, 1]` int64; those that are gone went to the row after
 * the last.
 */
function placesOf(rows: Tensor, score: Tensor): Tensor {
  const [entered, count] = [sizeAt(score, 1), sizeAt(rows, 1)];
  const gone = constant(new BigInt64Array(entered).fill(BigInt(count)), [1, entered, 1], 'int64');
  const places = constant(
    BigInt64Array.from({ length: count }, (_, place) => BigInt(place)),
    [1, count, 1],
    'int64',
  );
  return scatterElements(expandLike(gone, score), rows, expandLike(places, rows), 1);
}

/** A gradient `[B, P, …]` with a row of zeros after the last one. */
function withZeroRow(gradient: Tensor): Tensor {
  const first = slice(gradient, 1, 0, 1);
  const shape = [1, ...first.shape.slice(1).map(Number)];
  const zeros = constant(new Float32Array(elementCount(shape)), shape, 'float32');
  return concat([gradient, expandLike(zeros, first)], 1);
}
