/**
 * The predictor of DynamicViT (arXiv 2106.02034, eq. 1 to 4): how much each token is worth keeping.
 * SPViT has it once per attention head.
 * Half of what it sees is the token itself, half the mean over all tokens that are there.
 * Three layers give a score for staying and one for going.
 */
import { concat, expandLike, gelu, split, sub } from '../../graph/operators/index.ts';
import { sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { layerNorm } from '../../nn/layer-norm.ts';
import { linear, linearParameters } from '../../nn/linear.ts';
import type { Parameters as NetworkParameters } from '../../nn/parameters.ts';
import { meanOfLive } from './keep-decisions.ts';
import type { LearnedParameter } from './learned.ts';

/** Layer norms of predictors; PyTorch's default. */
const epsilon = 1e-5;

/** Predictors learn a hundred times faster than the network, as in the authors' code. */
const learningRateFactor = 100;

/** Widths of the layers behind the first. */
function predictorWidths(width: number): { half: number; quarter: number } {
  return { half: Math.max(1, Math.floor(width / 2)), quarter: Math.max(1, Math.floor(width / 4)) };
}

/** `name.weight [outputs, inputs]` and `name.bias [outputs]`. */
export function layerParameters(name: string, inputs: number, outputs: number): LearnedParameter[] {
  return [
    { name: `${name}.weight`, shape: [outputs, inputs], learningRateFactor },
    { name: `${name}.bias`, shape: [outputs], learningRateFactor },
  ];
}

/**
 * Parameters of a predictor for tokens of a width: `norm`, `input`, `first`, `second`, `output`.
 */
export function predictorParameters(name: string, width: number): LearnedParameter[] {
  const { half, quarter } = predictorWidths(width);
  return [
    { name: `${name}.norm.weight`, shape: [width], learningRateFactor },
    { name: `${name}.norm.bias`, shape: [width], learningRateFactor },
    ...layerParameters(`${name}.input`, width, width),
    ...layerParameters(`${name}.first`, width, half),
    ...layerParameters(`${name}.second`, half, quarter),
    ...layerParameters(`${name}.output`, quarter, 2),
  ];
}

/**
 * By how much the score for staying exceeds that for going: the logarithm of the odds,
 * `[B, N, …, 1]`.
 * @param tokens `[B, N, …, width]`, at least 2 wide.
 * @param mask `[B, N, …]` of as many axes, the tokens that are there; without it all of them.
 */
export function predictKeeping(
  tokens: Tensor,
  mask: Tensor | undefined,
  name: string,
  parameters: NetworkParameters,
): Tensor {
  const width = sizeAt(tokens, -1);
  const { half, quarter } = predictorWidths(width);
  const layer = (x: Tensor, part: string, inputs: number, outputs: number): Tensor =>
    linear(x, linearParameters(parameters, `${name}.${part}`, inputs, outputs));
  const embedded = gelu(layer(layerNorm(tokens, parameters, `${name}.norm`, width, epsilon), 'input', width, width));
  const [own, others] = split(embedded, -1, [half, width - half]) as [Tensor, Tensor];
  const joined = concat([own, expandLike(meanOfLive(others, mask), others)], -1);
  const first = gelu(layer(joined, 'first', width, half));
  const second = gelu(layer(first, 'second', half, quarter));
  const [staying, going] = split(layer(second, 'output', quarter, 2), -1, [1, 1]) as [Tensor, Tensor];
  return sub(staying, going);
}
