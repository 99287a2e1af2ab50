/** What flows through the blocks of a network whose tokens are reduced: features, and what is known of each token. */
import { gatherND, slice, split } from '../graph/operators/index.ts';
import { sizeAt } from '../graph/tensor.ts';
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
  /** `[B, N, …]` each: what a method remembers of every token, by names of its own (GTP's graph). */
  readonly attached?: Readonly<Record<string, Tensor>> | undefined;
  /** Tokens that pass blocks by and come back later (Evo-ViT's placeholders). */
  readonly aside?: TokenState | undefined;
}

/** Applies the same to everything that is known of the tokens; those that stand aside stay as they are. */
export function mapState(state: TokenState, change: (tensor: Tensor) => Tensor): TokenState {
  const maybe = (tensor: Tensor | undefined): Tensor | undefined => (tensor === undefined ? undefined : change(tensor));
  return {
    features: change(state.features),
    size: maybe(state.size),
    source: maybe(state.source),
    mask: maybe(state.mask),
    ...(state.aside === undefined ? {} : { aside: state.aside }),
    ...(state.attached === undefined
      ? {}
      : {
          attached: Object.fromEntries(Object.entries(state.attached).map(([name, tensor]) => [name, change(tensor)])),
        }),
  };
}

/** Chooses and orders tokens of a state: `indices [B, P, 1]` int64. */
export function gatherTokens(state: TokenState, indices: Tensor): TokenState {
  return mapState(state, (tensor) => gatherND(tensor, indices));
}

/** The first `count` tokens of a state and the rest. */
export function splitTokens(state: TokenState, count: number): { first: TokenState; rest: TokenState } {
  const total = sizeAt(state.features, 1);
  const parts = new Map<Tensor, readonly Tensor[]>();
  const part = (tensor: Tensor, index: number): Tensor => {
    const both = parts.get(tensor) ?? split(tensor, 1, [count, total - count]);
    parts.set(tensor, both);
    return both[index] as Tensor;
  };
  return { first: mapState(state, (tensor) => part(tensor, 0)), rest: mapState(state, (tensor) => part(tensor, 1)) };
}

/** The first `count` tokens of a state. */
export function firstTokens(state: TokenState, count: number): TokenState {
  return mapState(state, (tensor) => slice(tensor, 1, 0, count));
}
