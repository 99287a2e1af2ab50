/**
 * The score of ATS (arXiv 2111.15667, eq. 5) and PPT: how much of the class token's output a token
 * contributes. That is the class token's attention to it, summed over heads, times the length of
 * its value over all heads. Scores of the grid's tokens sum to 1.
 */
import { div, mul, reduceL2, reduceSum, reshape, transpose } from '../graph/operators/index.ts';
import { dimensionAt, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { sumOverHeads } from './sum-over-heads.ts';
import { gridFlags } from './positions.ts';
import type { TokenLayout } from './token-layout.ts';
import type { BlockView } from './token-reducer.ts';

/**
 * `[B, N, 1]`; 0 for prefix tokens.
 * @param mask `[B, N, 1]`: tokens that are not there score 0.
 */
export function attentionValueScore(view: BlockView, layout: TokenLayout, mask?: Tensor): Tensor {
  const [batch, tokens, width] = [dimensionAt(view.keys, 0), sizeAt(view.keys, 2), sizeAt(view.values, 3)];
  const attention = sumOverHeads(view.classAttention());
  const values = reshape(transpose(view.values, [0, 2, 1, 3]), [batch, tokens, view.heads * width]);
  const patches = gridFlags(layout, tokens);
  const score = mul(mul(attention, reduceL2(values, [-1], true)), mask === undefined ? patches : mul(mask, patches));
  return div(score, reduceSum(score, [1], true));
}
