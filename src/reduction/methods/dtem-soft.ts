/**
 * DTEM while its embedding is trained (arXiv 2412.10569, section 3.2; movinghoon/DTEM). No token is
 * removed. Tokens have *effective sizes*, which may be any numbers from 0 on, and attention weighs
 * keys by them. In a block `n` tokens take part, those of the largest effective sizes; `n` begins
 * with all tokens and falls by `r` per block. Every second of them (A) may go into the others (B):
 *
 * 1. Of each A the three most similar B's are looked at, by the cosine of embeddings over τ1 = 0.1.
 * 2. Relaxed top-k (Xie and Ermon, arXiv 1901.10517): `r` times a softmax over all these pairs, at
 *    temperature τ2 = 0.1, is added to the selection, and what an A has given is taken from its
 *    scores as `ln(1 − given)`. An A that gives more than it has is scaled down to 1.
 * 3. With selection `S`, B's become `(w_B·x_B + Sᵀ·w_A·x_A) / (w_B + Sᵀ·w_A)`, their effective
 *    sizes are the denominator, and A's keep `w_A·(1 − Σ S)`.
 * 4. The tokens that took part are sorted by effective size.
 *
 * Gradients flow through selections and effective sizes to the embedding. The embedding reads its
 * tokens without a gradient to them. The network stays as it is.
 */
import {
  add,
  cast,
  concat,
  div,
  equal,
  log,
  matMul,
  max,
  min,
  mul,
  reduceSum,
  reshape,
  slice,
  softmax,
  sub,
  topK,
  transpose,
} from '../../graph/operators/index.ts';
import { dimensionAt, inScope, sizeAt, stopGradient } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { maskedAttention } from '../../nn/masked-attention.ts';
import type { Parameters } from '../../nn/parameters.ts';
import { asRow, perPosition, positionsOf } from '../positions.ts';
import { sortTokens } from '../sort.ts';
import { tokenCount } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import type { TokenState } from '../token-state.ts';
import type { TokenReducer } from '../token-reducer.ts';
import { embeddingOf } from './dtem-embedding.ts';
import type { EmbeddingSizes } from './dtem-embedding.ts';
import { columnLike } from './keep-decisions.ts';

/** The authors' settings. */
const candidates = 3;
const temperatures = { score: 0.1, selection: 0.1 } as const;

/** The smallest share that an A is left with: float32's distance from 1 to the next number. */
const smallest = 2 ** -23;

/** How many tokens take part in each block, and how many of them go. */
function partaking(removed: readonly number[], layout: TokenLayout): { tokens: number; pairs: number }[] {
  let tokens = tokenCount(layout);
  return removed.map((wanted) => {
    const pairs = Math.max(0, Math.min(wanted, Math.floor((tokens - layout.prefix) / 2)));
    const own = { tokens, pairs };
    tokens -= pairs;
    return own;
  });
}

/** The soft form. */
export function softDtem(
  removed: readonly number[],
  sizes: EmbeddingSizes,
  layout: TokenLayout,
  parameters: Parameters,
): TokenReducer {
  const blocks = partaking(removed, layout);
  return {
    name: 'dtem, soft',
    attend: (_, { size }, queries, keys, values) =>
      size === undefined
        ? undefined
        : maskedAttention({ queries, keys, values, mask: size, size: undefined, toThemselves: false }),
    afterAttention(block, state, view) {
      const { tokens, pairs } = blocks[block] ?? { tokens: 0, pairs: 0 };
      if (pairs < 1) return state;
      const metric = inScope('match', () => embeddingOf(stopGradient(view.normalized), block, sizes, parameters));
      return mergeSoftly(state, metric, tokens, pairs, layout);
    },
  };
}

/**
 * Merges softly among the first tokens of a state.
 * @param metric `[B, N, D]`, rows of length 1.
 * @param tokens how many take part, prefix tokens counted.
 */
export function mergeSoftly(
  { features, size: given }: TokenState,
  metric: Tensor,
  tokens: number,
  pairs: number,
  { prefix }: TokenLayout,
): TokenState {
  const all = sizeAt(features, 1);
  const size = given ?? columnLike(features, all, 1);
  const [a, b] = halves(
    slice(features, 1, prefix, tokens),
    slice(size, 1, prefix, tokens),
    slice(metric, 1, prefix, tokens),
  );
  const selection = inScope('match', () => softTopK(matMul(a.metric, transpose(b.metric, [0, 2, 1])), pairs));
  const merged = inScope('merge', () => {
    const toB = transpose(selection, [0, 2, 1]);
    const sizeB = add(b.size, matMul(toB, a.size));
    const xB = div(add(mul(b.x, b.size), matMul(toB, mul(a.x, a.size))), sizeB);
    const left = sub(1, reduceSum(selection, [2], true));
    // Within 0 and 1 in the forward pass; the gradient is that of what is left.
    const inRange = add(left, stopGradient(sub(min(max(left, 0), 1), left)));
    const sizeA = mul(a.size, inRange);
    return sortTokens({ features: concat([a.x, xB], 1), size: concat([sizeA, sizeB], 1) }, concat([sizeA, sizeB], 1));
  });
  const around = (x: Tensor, middle: Tensor): Tensor =>
    concat(
      [...(prefix > 0 ? [slice(x, 1, 0, prefix)] : []), middle, ...(tokens < all ? [slice(x, 1, tokens, all)] : [])],
      1,
    );
  return { features: around(features, merged.features), size: around(size, merged.size as Tensor) };
}

/** Tokens of one half. */
interface SoftTokens {
  readonly x: Tensor;
  readonly size: Tensor;
  readonly metric: Tensor;
}

/** The first, third, … token and the second, fourth, …; slices with a step have no gradient. */
function halves(x: Tensor, size: Tensor, metric: Tensor): readonly [SoftTokens, SoftTokens] {
  const half = (tokens: Tensor, which: 0 | 1): Tensor => {
    const [batch, count, width] = [dimensionAt(tokens, 0), sizeAt(tokens, 1), sizeAt(tokens, 2)];
    const pairs = Math.floor(count / 2);
    const paired = reshape(slice(tokens, 1, 0, 2 * pairs), [batch, pairs, 2, width]);
    const own = reshape(slice(paired, 2, which, which + 1), [batch, pairs, width]);
    return which === 0 && count % 2 === 1 ? concat([own, slice(tokens, 1, count - 1, count)], 1) : own;
  };
  const of = (which: 0 | 1): SoftTokens => ({
    x: half(x, which),
    size: half(size, which),
    metric: half(metric, which),
  });
  return [of(0), of(1)];
}

/**
 * A relaxed choice of `count` pairs by their scores `[B, |A|, |B|]`, at most one per A: shares
 * `[B, |A|, |B|]`, which sum to about `count`.
 */
export function softTopK(scores: Tensor, count: number): Tensor {
  const [batch, rows, columns] = [dimensionAt(scores, 0), sizeAt(scores, 1), sizeAt(scores, 2)];
  const looked = Math.min(candidates, columns);
  const places = positionsOf(topK(stopGradient(scores), looked, true, 2).indices, columns);
  const columnPositions = asRow(perPosition(columns, (column) => column));
  const chosen = Array.from({ length: looked }, (_, rank) =>
    cast(equal(slice(places, 2, rank, rank + 1), columnPositions), 'float32'),
  );
  const best = chosen.map((one) => reduceSum(mul(scores, one), [2], true));
  let open = mul(concat(best, 2), 1 / temperatures.score);
  let selected: Tensor | undefined;
  for (let turn = 0; turn < count; turn++) {
    const flat = reshape(mul(open, 1 / temperatures.selection), [batch, rows * looked]);
    const shares = reshape(softmax(flat), [batch, rows, looked]);
    selected = selected === undefined ? shares : add(selected, shares);
    const isLast = turn === count - 1;
    if (!isLast) open = add(open, log(max(sub(1, reduceSum(shares, [2], true)), smallest)));
  }
  const given = selected ?? mul(open, 0);
  const excess = max(stopGradient(reduceSum(given, [2], true)), 1);
  const fair = div(given, excess);
  return chosen.map((one, rank) => mul(slice(fair, 2, rank, rank + 1), one)).reduce((sum, part) => add(sum, part));
}
