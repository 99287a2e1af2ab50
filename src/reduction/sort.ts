/** Sorting tokens with a gradient: rows are gathered by a permutation, and gradients by its inverse. */
import { cast, gatherND, topK } from '../graph/operators/index.ts';
import { customGradient, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { TokenState } from './token-state.ts';

/** Puts all tokens of a state in descending order of `score [B, N, 1]`. */
export function sortTokens(state: TokenState, score: Tensor): TokenState {
  const count = sizeAt(score, 1);
  const rows = topK(score, count, true, 1).indices;
  const inverse = topK(cast(rows, 'float32'), count, false, 1).indices;
  const sorted = (x: Tensor): Tensor =>
    customGradient(gatherND(x, rows), [x], (gradient) => [gatherND(gradient, inverse)]);
  const maybe = (x: Tensor | undefined): Tensor | undefined => (x === undefined ? undefined : sorted(x));
  return {
    features: sorted(state.features),
    size: maybe(state.size),
    source: maybe(state.source),
    mask: maybe(state.mask),
  };
}
