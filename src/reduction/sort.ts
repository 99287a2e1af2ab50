/**
 * Sorting tokens with a gradient: rows are gathered by a permutation, and gradients by its inverse. That is a copy of rows where the general
 * gradient of a gather is a matrix product.
 */
import { cast, gatherND, pad, topK } from '../graph/operators/index.ts';
import { customGradient, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { mapState } from './token-state.ts';
import type { TokenState } from './token-state.ts';

/**
 * Puts the tokens of a state in descending order of `score [B, N, 1]`.
 * @param count how many of them stay, all by default; the others are gone.
 */
export function sortTokens(state: TokenState, score: Tensor, count = sizeAt(score, 1)): TokenState {
  const entered = sizeAt(score, 1);
  const rows = topK(score, count, true, 1).indices;
  const backward = (gradient: Tensor): Tensor => {
    const order = count === entered ? rows : topK(score, entered, true, 1).indices;
    const inverse = topK(cast(order, 'float32'), entered, false, 1).indices;
    return gatherND(count === entered ? gradient : pad(gradient, 1, 0, entered - count, entered), inverse);
  };
  const sorted = (x: Tensor): Tensor => customGradient(gatherND(x, rows), [x], (gradient) => [backward(gradient)]);
  return mapState(state, sorted);
}
