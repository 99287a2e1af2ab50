/**
 * Multiply-accumulates of a network's parts as the field counts them (DiffRate, arXiv 2305.17997,
 * Algorithm 2, in the reading of the authors' code). In a block with N tokens in and N' = min(N, P,
 * K) out, attention costs `perToken·N + perPair·N²` and the MLP `mlp·N'`.
 */

/** One block that may remove tokens. */
export interface BlockFlops {
  /** Of attention, per token that enters: projections, 4C². */
  readonly perToken: number;
  /** Of attention, per pair of tokens: scores and weighted values, 2C. */
  readonly perPair: number;
  /** Of the MLP, per token that is left: 2·C·hidden. */
  readonly mlp: number;
}

/** A network, for one image. */
export interface NetworkFlops {
  /** Everything before the first block of the span. */
  readonly before: number;
  /** The blocks of the span. */
  readonly blocks: readonly BlockFlops[];
  /** Everything after the last of them. */
  readonly after: number;
}

/**
 * A block of a Vision Transformer of width C: four projections, scores and values, an MLP of two
 * layers.
 */
export function transformerBlockFlops(width: number, hiddenWidth: number): BlockFlops {
  return { perToken: 4 * width ** 2, perPair: 2 * width, mlp: 2 * width * hiddenWidth };
}

/** Attention of a block on N tokens; N may be fractional, as in a search. */
export function attentionFlops({ perToken, perPair }: BlockFlops, tokens: number): number {
  return perToken * tokens + perPair * tokens ** 2;
}

/** The MLP of a block on N' tokens. */
export function mlpFlops({ mlp }: BlockFlops, tokens: number): number {
  return mlp * tokens;
}
