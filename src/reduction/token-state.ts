/** What flows through the blocks of a network whose tokens are reduced: features, and what is known of each token. */
import { gatherND, reshape } from '../graph/operators/index.ts';
import { dimensionAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';

/** The tokens at one place of the network. */
export interface TokenState {
  /** `[B, N, C]`, the residual stream. */
  readonly features: Tensor;
  /** `[B, N, 1]`: how many patches a token stands for, similarity-scaled in DiffRate; absent while every token has size 1. */
  readonly size?: Tensor | undefined;
  /** `[B, N, N0]`, 0 or 1: which input tokens went into a token; only in traced graphs. */
  readonly source?: Tensor | undefined;
  /** `[B, N, 1]`, 0 or 1: whether a token is still there; only while searching or where counts differ per image. */
  readonly mask?: Tensor | undefined;
}

/** Chooses and orders tokens of a state: `indices [B, P, 1]` int64. */
export function gatherTokens(state: TokenState, indices: Tensor): TokenState {
  const choose = (tensor: Tensor | undefined): Tensor | undefined => (tensor === undefined ? undefined : gatherND(tensor, indices));
  return { features: gatherND(state.features, indices), size: choose(state.size), source: choose(state.source), mask: choose(state.mask) };
}

/** `[B, P]` indices as TopK gives them → `[B, P, 1]` as GatherND takes them. */
export function asRows(indices: Tensor): Tensor {
  return reshape(indices, [dimensionAt(indices, 0), dimensionAt(indices, 1), 1]);
}
