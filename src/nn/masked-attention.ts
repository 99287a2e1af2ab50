/**
 * Masked attention of DiffRate's search (arXiv 2305.17997, eq. 11–12). Removed tokens stay in the
 * tensors, but only the removed token itself still attends to it. Its mask gets a gradient although
 * it is 0.
 *
 * With `P = softmax(q·kᵀ/√D)` and key weights `w = mask·size` the paper's
 * `Ŝ_ij = E_ij·M_ij / Σ_j E_ij·M_ij` is `P_ij·w_j / Σ_j P_ij·w_j`: the mask and the size bias scale
 * rows of the values instead of the N×N map. As each row of Ŝ sums to 1, the softmax's backward
 * loses its row sum, too: `dS = P ∘ w ∘ dŜ'` needs one pass over the map. That is why it has a rule
 * of its own instead of the operators' rules.
 */
import { add, div, matMul, mul, reduceSum, reshape, slice, softmax, sub, transpose } from '../graph/operators/index.ts';
import { customGradient, dimensionAt, sizeAt, stopGradient } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { attentionLogits } from './attention.ts';

/** What masked attention needs. */
export interface MaskedAttentionInputs {
  /** `[B, H, N, D]` each. */
  readonly queries: Tensor;
  readonly keys: Tensor;
  readonly values: Tensor;
  /** `[B, N, 1]`, 0 or 1; its gradient is that of the removed as well as of the kept tokens. */
  readonly mask: Tensor;
  /** Token sizes `[B, N, 1]`. */
  readonly size: Tensor | undefined;
  /** A removed token attends to itself as well (eq. 11); without it, to the kept ones alone. */
  readonly toThemselves: boolean;
}

/** Output per head, and the attention that importance is made of. */
export interface MaskedAttentionOutputs {
  /** `[B, H, P, D]` */
  readonly output: Tensor;
  /** Attention of the first token, `[B, H, N]`, no gradient. */
  classAttention(): Tensor;
  /**
   * Attention that tokens receive, `[B, N, 1]`: mean over heads and the tokens that are there, no
   * gradient.
   */
  attentionReceived(): Tensor;
}

const swapLast = (x: Tensor): Tensor => transpose(x, [0, 1, 3, 2]);

/** Masked attention, differentiable in queries, keys, values, mask and sizes. */
export function maskedAttention(inputs: MaskedAttentionInputs): MaskedAttentionOutputs {
  const { queries, keys, values, mask, size } = inputs;
  const [batch, tokens] = [dimensionAt(keys, 0), dimensionAt(keys, 2)];
  const perKey = (x: Tensor): Tensor => reshape(x, [batch, 1, tokens, 1]);
  const weights = perKey(size === undefined ? mask : mul(mask, size));
  const probabilities = softmax(attentionLogits(queries, keys));
  const weighted = mul(values, weights);
  const own = inputs.toThemselves
    ? ownWeight(probabilities, perKey(mask), size === undefined ? undefined : perKey(size))
    : undefined;
  const sums = matMul(probabilities, weights);
  const total = own === undefined ? sums : add(sums, own);
  const products = matMul(probabilities, weighted);
  const value = div(own === undefined ? products : add(products, mul(own, values)), total);
  const output = customGradient(
    value,
    size === undefined ? [queries, keys, values, mask] : [queries, keys, values, mask, size],
    (gradient) => backward({ ...inputs, probabilities, weights, own, total, value, gradient }),
  );
  return {
    output,
    classAttention() {
      const row = div(mul(slice(probabilities, 2, 0, 1), swapLast(weights)), slice(total, 2, 0, 1));
      return stopGradient(reshape(row, [batch, dimensionAt(keys, 1), tokens]));
    },
    attentionReceived() {
      // `Ŝ_ij = P_ij·w_j / Z_i`: rows of removed tokens do not count.
      const rows = div(perKey(mask), total);
      const perHead = mul(matMul(swapLast(probabilities), rows), weights);
      const sum = reshape(reduceSum(perHead, [1]), [batch, tokens, 1]);
      const queries = mul(reduceSum(mask, [1], true), sizeAt(keys, 1));
      return stopGradient(div(sum, queries));
    },
  };
}

/**
 * `P_ii·size_i·(1 − mask_i)`: what the diagonal of the mask adds for a removed token,
 * `[B, H, N, 1]`.
 */
function ownWeight(probabilities: Tensor, mask: Tensor, size: Tensor | undefined): Tensor {
  const diagonal = diagonalOf(probabilities);
  const removed = mul(diagonal, sub(1, mask));
  return size === undefined ? removed : mul(removed, size);
}

/** Diagonal of the last two axes, `[B, H, N, 1]`, as a strided slice of the flattened map. */
function diagonalOf(square: Tensor): Tensor {
  const [batch, heads, tokens] = [dimensionAt(square, 0), sizeAt(square, 1), sizeAt(square, 2)];
  const flat = reshape(square, [batch, heads, tokens * tokens]);
  return reshape(slice(flat, 2, 0, tokens * tokens, tokens + 1), [batch, heads, tokens, 1]);
}

interface BackwardInputs extends MaskedAttentionInputs {
  readonly probabilities: Tensor;
  readonly weights: Tensor;
  readonly own: Tensor | undefined;
  readonly total: Tensor;
  readonly value: Tensor;
  readonly gradient: Tensor;
}

/**
 * Gradients of queries, keys, values, mask and, where there are any, sizes. Names: `a = g/Σ`,
 * `b = a·out`, `G_ij = a_i·v_j − b_i`.
 */
function backward(inputs: BackwardInputs): readonly Tensor[] {
  const { queries, keys, values, mask, size, probabilities, weights, own, total, value, gradient } = inputs;
  const scale = 1 / Math.sqrt(sizeAt(queries, 3));
  const a = div(gradient, total);
  const b = reduceSum(mul(a, value), [-1], true);
  const back = swapLast(probabilities);
  const toValues = matMul(back, a);
  const toWeights = sub(reduceSum(mul(values, toValues), [-1], true), matMul(back, b));
  const map = mul(probabilities, sub(matMul(a, swapLast(values)), b));
  let dValues = mul(toValues, weights);
  let dQueries = matMul(map, mul(keys, weights));
  let dKeys = mul(matMul(swapLast(map), queries), weights);
  // Per key: what its weight in the sums is worth, and what a removed token's weight on itself is.
  const perToken = (perHead: Tensor): Tensor =>
    reshape(reduceSum(perHead, [1]), [dimensionAt(mask, 0), dimensionAt(mask, 1), 1]);
  const ofWeights = perToken(toWeights);
  let ofMask = ofWeights;
  let ofSizes = mul(ofWeights, mask);
  if (own !== undefined) {
    const diagonal = sub(reduceSum(mul(a, values), [-1], true), b);
    const ownGradient = mul(own, diagonal);
    dValues = add(dValues, mul(own, a));
    dQueries = add(dQueries, mul(ownGradient, keys));
    dKeys = add(dKeys, mul(ownGradient, queries));
    const ofOwn = perToken(mul(diagonalOf(probabilities), diagonal));
    ofMask = sub(ofMask, ofOwn);
    ofSizes = add(ofSizes, mul(ofOwn, sub(1, mask)));
  }
  const gradients = [mul(dQueries, scale), mul(dKeys, scale), dValues];
  return size === undefined ? [...gradients, ofMask] : [...gradients, mul(ofMask, size), ofSizes];
}
