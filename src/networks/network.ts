/**
 * What a network is to the rest of the program: which tokens it has, in which blocks they may go,
 * and what it computes, as functions over symbolic tensors. Each family (a folder beside this file)
 * makes such networks from its own configuration, which only the family reads.
 */
import type { Tensor } from '../graph/tensor.ts';
import type { BranchTransform } from '../nn/drop-path.ts';
import type { Parameters } from '../nn/parameters.ts';
import type { Answers } from '../objectives/objective.ts';
import type { NetworkShape } from '../reduction/network-shape.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import type { TokenState } from '../reduction/token-state.ts';
import type { NetworkFlops } from './network-flops.ts';

/** Pixels that a network reads, `[B, channels, height, width]`. */
export interface NetworkInput {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** The blocks in which tokens may go: from `first` to the one before `end`. */
export interface Span {
  readonly first: number;
  readonly end: number;
}

/** A network as far as it can be counted; `depth` of the shape is the length of the span. */
export interface NetworkDescription extends NetworkShape {
  readonly input: NetworkInput;
  /** Blocks in all. */
  readonly blocks: number;
  readonly span: Span;
  /** C of the tokens in the span. */
  readonly width: number;
  /** Pixels of the input that a grid token stands for, the first one in the upper left corner. */
  readonly patch: { readonly height: number; readonly width: number };
  readonly flops: NetworkFlops;
}

/** What a block is built with. */
export interface BlockContext {
  readonly parameters: Parameters;
  /** Asked in the blocks of the span; elsewhere it keeps all tokens. */
  readonly reducer: TokenReducer;
  /** Number of the block as the reducer counts: 0 is the first of the span. */
  readonly reducedBlock: number;
  /** Compute only prefix tokens: nothing else is read of this block. */
  readonly prefixOnly: boolean;
  /** Changes the output of a residual branch before it is added. */
  readonly branch: BranchTransform;
}

/** Outputs of a network by the names that files get. */
export type NetworkOutputs = Readonly<Record<string, Tensor>>;

/**
 * A linear layer and the norm before it, by the names of their parameters: `blocks.0.attn.qkv` and
 * `blocks.0.norm1`.
 */
export type NormBefore = readonly [layer: string, norm: string];

/** A network that can be built. */
export interface Network extends NetworkDescription {
  /** What it answers per image, and in which output. */
  readonly answers: Answers;
  readonly answerOutput: string;
  /**
   * Tokens before the first block, from pixels `[B, channels, height, width]`. Outside of the span
   * tokens may have another shape.
   */
  embed(pixels: Tensor, parameters: Parameters): Tensor;
  /** One block. */
  block(index: number, state: TokenState, context: BlockContext): TokenState;
  /**
   * Puts every token back where it was, after the last block of the span. Present where something
   * after the span needs every token.
   */
  restore?(state: TokenState): TokenState;
  /** Outputs, from the tokens after the last block. */
  readout(state: TokenState, parameters: Parameters): NetworkOutputs;
  /** All tokens `[B, N, C]` through the last norm, for losses on tokens. */
  normalized?(features: Tensor, parameters: Parameters): Tensor;
  /** Norms that feed one linear layer each, which training folds into it. */
  readonly foldableNorms?: readonly NormBefore[];
  /**
   * Members of `config.json` that say what the network is, as Hugging Face transformers has them.
   * @param has whether the checkpoint has a parameter.
   */
  hubConfiguration(has: (name: string) => boolean): Readonly<Record<string, unknown>>;
  /**
   * What changes in those members beside a checkpoint with canonical names, which `loadModel`
   * reads. Absent where nothing changes.
   */
  readonly checkpointConfiguration?: Readonly<Record<string, unknown>>;
}
