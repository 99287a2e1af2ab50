/**
 * The one interface of all token-reduction methods. A block asks its reducer at the places where
 * the known methods act, and knows nothing else of it; a reducer knows nothing of the network's
 * weights or of which model it is in.
 */
import type { Tensor } from '../graph/tensor.ts';
import type { Parameters } from '../nn/parameters.ts';
import type { TokenState } from './token-state.ts';

/**
 * What a reducer may look at in a block before its tokens attend. Everything is built only when
 * asked for.
 */
export interface BlockView {
  /** Number of heads H. */
  readonly heads: number;
  /** Keys `[B, H, N, D]` of all tokens that entered the block. */
  readonly keys: Tensor;
  /** Values `[B, H, N, D]` of all tokens that entered the block. */
  readonly values: Tensor;
  /** What queries, keys and values are made of: those tokens through the norm, `[B, N, C]`. */
  readonly normalized: Tensor;
  /**
   * Attention of the first prefix token, the class token, per head `[B, H, N]`, after the size
   * bias; needs no other query.
   */
  classAttention(): Tensor;
}

/** What a reducer may look at where the attention map is there, but no token has read by it yet. */
export interface MapView {
  /** Number of heads H. */
  readonly heads: number;
  /** All attention probabilities `[B, H, N, N]` of the tokens that entered the block. */
  probabilities(): Tensor;
  /** Attention that every token receives, `[B, N, 1]`: the mean over heads and queries. */
  attentionReceived(): Tensor;
}

/** Tokens that have fused between a block's attention map and its values. */
export interface FusedTokens {
  /** The N' tokens that are left, before attention. */
  readonly state: TokenState;
  /**
   * What they read by the map of the tokens before: values `[B, N', C]` of the tokens that are left
   * give an output `[B, N', C]`, heads side by side, before the projection. Absent: they attend as
   * if they had entered the block.
   * @param prefixOnly only prefix tokens are read of this block: the output is `[B, prefix, C]`.
   */
  readonly attend?: (values: Tensor, prefixOnly: boolean) => Tensor;
}

/** What a reducer may look at after attention. */
export interface AttendedView extends BlockView {
  /**
   * All attention probabilities `[B, H, P, N]` of the P tokens that were queries. Masked attention,
   * which builds no map, has none.
   */
  probabilities(): Tensor;
  /**
   * Attention that every token receives, `[B, N, 1]`: the mean over heads and queries, where tokens
   * are masked over those that are there.
   */
  attentionReceived(): Tensor;
}

/** Tokens chosen to be queries: the others are gone after the block. */
export interface QuerySelection {
  /** `[B, P, 1]` int64, positions among the tokens that entered the block. */
  readonly indices: Tensor;
  /** `[B, P, 1]`, 0 or 1: which of them are there at all, where counts differ per image. */
  readonly mask?: Tensor;
}

/** How one method reduces tokens; all places are optional. */
export interface TokenReducer {
  /** Name of the method with its parameters. */
  readonly name: string;
  /**
   * The number of tokens that are left differs per image: the state's mask tells it, and FLOPs are
   * a mean over images.
   */
  readonly ragged?: boolean;
  /**
   * An image's result depends on the other images of its batch, so a batch must stay together
   * (ATS's `drop`).
   */
  readonly dependsOnBatch?: boolean;
  /**
   * Attention of one query depends on the other queries: the last block cannot compute the class
   * token's alone.
   */
  readonly needsEveryQuery?: boolean;
  /**
   * The reducer to use in a network with these parameters, among which are those of the method
   * itself (DynamicViT's predictors). A network asks once, before its first block.
   * @throws {DiffrateError} where the network has none of them.
   */
  withParameters?(parameters: Parameters): TokenReducer;
  /** Before block `block` (DynamicViT acts here). */
  beforeBlock?(block: number, state: TokenState): TokenState;
  /**
   * Weights of the keys `[B, N, 1]` in attention (proportional attention); `undefined`: all the
   * same.
   */
  keySizes?(block: number, state: TokenState): Tensor | undefined;
  /**
   * In place of the softmax over keys (ATS, GTP's sparse attention): weights from logits, both
   * `[B, H, P, N]`, sizes already in them; `undefined`: the softmax.
   */
  attentionWeights?(block: number, state: TokenState, logits: Tensor): Tensor | undefined;
  /**
   * Between the attention map and the values (MCTF): tokens fuse by what the map says of them.
   * `selectQueries`, `attend` and `afterAttention` are not asked in a block whose fused tokens
   * attend by that map.
   */
  fuse?(block: number, state: TokenState, view: MapView): FusedTokens | undefined;
  /**
   * Before attending: which tokens are queries at all (DiffRate's early prune, ATS). `undefined`:
   * all of them.
   */
  selectQueries?(block: number, state: TokenState, view: BlockView): QuerySelection | undefined;
  /**
   * In place of plain attention, for masked and differentiable reduction: output per head
   * `[B, H, N, D]`, and the attention that importance is made of.
   */
  attend?(block: number, state: TokenState, queries: Tensor, keys: Tensor, values: Tensor): MaskedAttention | undefined;
  /** Between the attention residual and the MLP (DiffRate, EViT, ToMe, PPT, …). */
  afterAttention?(block: number, state: TokenState, view: AttendedView): TokenState;
  /**
   * After the MLP (MCTF in one of its forms). It is not asked where only prefix tokens are read of
   * the block.
   */
  afterBlock?(block: number, state: TokenState, view: AttendedView): TokenState;
}

/** What an attention of the reducer's own gives back. */
export interface MaskedAttention {
  /** `[B, H, N, D]` */
  readonly output: Tensor;
  /** `[B, H, N]`; built only when asked for. */
  classAttention(): Tensor;
  /**
   * `[B, N, 1]`: what each token receives, mean over heads and the queries that are there; built
   * only when asked for.
   */
  attentionReceived(): Tensor;
}

/** The uncompressed network. */
export const keepAllTokens: TokenReducer = { name: 'uncompressed' };
