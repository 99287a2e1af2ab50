/**
 * Keep decisions of predictors while they are trained, as DynamicViT makes them (arXiv 2106.02034,
 * section 3.2 to 3.4), and SPViT after it. A token has a score for staying and one for going.
 * Gumbel noise is added to both, and the larger one wins. Only their difference counts. The
 * difference of two Gumbel numbers is logistic, so one number per token is drawn. The decision is
 * hard in the forward pass and the softmax in the backward pass (straight-through). Tokens that go
 * stay in the tensors, masked; only the token itself still attends to it.
 */
import {
  add,
  cast,
  div,
  exp,
  greater,
  logSoftmax,
  max,
  mul,
  reduceMean,
  reduceSum,
  sigmoid,
  slice,
  sub,
} from '../../graph/operators/index.ts';
import { constant, sizeAt, stopGradient } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { maskedAttention } from '../../nn/masked-attention.ts';
import { prefixBonus, withPrefix } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import type { MaskedAttention } from '../token-reducer.ts';
import type { TokenState } from '../token-state.ts';
import type { NetworkView } from './learned.ts';

/**
 * Weights of the terms beside the cross-entropy, the authors' (`ratio_weight`, `distill_weight`).
 */
const ratioWeight = 2;
const distillationWeight = 0.5;

/** Patch tokens that are left after each stage, at least one. */
export function keptPatches(patches: number, shares: readonly number[]): number[] {
  return shares.map((share) => Math.max(1, Math.floor(patches * share)));
}

/**
 * 0 or 1 per token, with the gradient of `sigmoid(score + noise)`, at temperature 1; all
 * `[B, N, 1]`.
 */
export function decide(score: Tensor, noise: Tensor): Tensor {
  return straightThrough(sigmoid(add(score, noise)));
}

/**
 * 1 where a probability is above one half, otherwise 0, with the gradient of the probability:
 * `hard − sg(soft) + soft`.
 */
export function straightThrough(soft: Tensor): Tensor {
  const hard = cast(greater(soft, 0.5), 'float32');
  return add(soft, stopGradient(sub(hard, soft)));
}

/** The same column for every image, `[B, count, 1]`: one value, or one per position. */
export function columnLike(features: Tensor, count: number, value: number | ((position: number) => number)): Tensor {
  const one = stopGradient(slice(slice(features, 1, 0, 1), 2, 0, 1));
  const values = Float32Array.from({ length: count }, (_, position) =>
    typeof value === 'number' ? value : value(position),
  );
  return add(constant(values, [1, count, 1], 'float32'), mul(one, 0));
}

/**
 * `[B, prefix + M, 1]`: a value for each prefix token, then a column `[B, M, 1]` of the tokens
 * behind them.
 */
export function behindPrefix(
  features: Tensor,
  { prefix }: TokenLayout,
  value: number | ((position: number) => number),
  column: Tensor,
): Tensor {
  return withPrefix(prefix === 0 ? undefined : columnLike(features, prefix, value), column);
}

/**
 * `[B, prefix + M, 1]`: scores `[B, M, 1]` of the tokens behind the prefix. Prefix tokens score
 * above all of them, in their order.
 */
export function rankBehindPrefix(features: Tensor, layout: TokenLayout, score: Tensor): Tensor {
  return behindPrefix(features, layout, (position) => prefixBonus(layout.prefix, position), score);
}

/** Attention of a state with a mask; without one, the plain attention. */
export function attendMasked(
  { mask }: TokenState,
  queries: Tensor,
  keys: Tensor,
  values: Tensor,
): MaskedAttention | undefined {
  if (mask === undefined) return undefined;
  return maskedAttention({ queries, keys, values, mask, size: undefined, toThemselves: true });
}

/** Mean of `x [B, N, C]` over the tokens that are there, `[B, 1, C]`; mask `[B, N, 1]`. */
export function meanOfLive(x: Tensor, mask: Tensor | undefined): Tensor {
  if (mask === undefined) return reduceMean(x, [1], true);
  return div(reduceSum(mul(x, mask), [1], true), max(reduceSum(mask, [1], true), 1e-6));
}

/** What was decided in one training graph. */
export interface Decisions {
  /** 0 or 1 per patch and stage, `[B, patches, 1]`. */
  readonly decisions: readonly Tensor[];
  /** Share of patches that each stage is to keep. */
  readonly shares: readonly number[];
  /** The share is that of each image (DynamicViT), or of the batch (SPViT). */
  readonly perImage: boolean;
  /** Patches lie behind its prefix. */
  readonly layout: TokenLayout;
}

/**
 * The terms of the loss.
 * - `2·mean over stages of (share of kept patches − wanted share)²`;
 * - with a teacher, half the KL divergence to its answers;
 * - with a teacher, half the mean square distance to its tokens, over the patches that stay to the
 *   end.
 */
export function decisionTerms(
  { decisions, shares, perImage, layout }: Decisions,
  student: NetworkView,
  teacher: NetworkView | undefined,
): readonly Tensor[] {
  const stages = decisions.map((decision, stage) => {
    const share = reduceMean(decision, perImage ? [1, 2] : [0, 1, 2]);
    const difference = sub(share, shares[stage] ?? 1);
    const square = mul(difference, difference);
    return perImage ? reduceMean(square, [0]) : square;
  });
  const terms = stages.map((square) => mul(square, ratioWeight / stages.length));
  const last = decisions.at(-1);
  if (teacher === undefined) return terms;
  return [
    ...terms,
    mul(divergence(teacher.logits, student.logits), distillationWeight),
    ...(last === undefined
      ? []
      : [mul(tokenDistance(student, teacher, layout, stopGradient(last)), distillationWeight)]),
  ];
}

/** Mean over images of KL(teacher ‖ student), a scalar; logits `[B, classes]`. */
function divergence(teacher: Tensor, student: Tensor): Tensor {
  const [wanted, found] = [logSoftmax(teacher), logSoftmax(student)];
  return reduceMean(reduceSum(mul(exp(wanted), sub(wanted, found)), [1]), [0]);
}

/**
 * Mean square distance of the first tokens behind the prefix, those of a mask `[B, patches, 1]`.
 */
function tokenDistance(student: NetworkView, teacher: NetworkView, { prefix }: TokenLayout, mask: Tensor): Tensor {
  const end = prefix + sizeAt(mask, 1);
  const [own, wanted] = [student, teacher].map((network) => slice(network.normalizedTokens(), 1, prefix, end));
  const difference = mul(sub(own as Tensor, wanted as Tensor), mask);
  const total = reduceSum(mul(difference, difference), [0, 1, 2]);
  return div(total, mul(max(reduceSum(mask, [0, 1, 2]), 1e-6), sizeAt(difference, 2)));
}
