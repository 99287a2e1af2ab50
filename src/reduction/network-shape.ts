/**
 * What reducers, schedules and methods need to know of a network: its names, its tokens, and the
 * blocks in which tokens may go. A network (`networks/network.ts`) is such a shape; a few numbers
 * written by hand are one, too.
 */
import { tokenCount } from './token-layout.ts';
import type { TokenLayout } from './token-layout.ts';

/**
 * What says how important a token is.
 * - `class-token`: the attention of the first prefix token (DiffRate on ViTs).
 * - `attention-received`: the attention that a token receives, mean over heads and queries
 *   (DiffRate on CAFormer).
 */
export type ImportanceSource = 'class-token' | 'attention-received';

/** Sizes of features that methods with trained parts have parameters for. */
export interface FeatureSizes {
  /** C */
  readonly width: number;
  readonly heads: number;
  /** Hidden width of the MLP. */
  readonly hiddenWidth: number;
}

/** A network as reducers and schedules see it. */
export interface NetworkShape {
  /** Registry name or hub id; without it the schedule's model name is not compared. */
  readonly model?: string;
  /** Other names of the same network. */
  readonly aliases?: readonly string[];
  /** Input in pixels. */
  readonly input: { readonly height: number; readonly width: number };
  /** Tokens that enter the first block that may remove some. */
  readonly layout: TokenLayout;
  /**
   * Blocks that may remove tokens, the span of the network: a schedule has one pair of numbers for
   * each.
   */
  readonly depth: number;
  readonly importanceFrom: ImportanceSource;
  /** What is read after the last of them: prefix tokens only, or every token. */
  readonly reads: 'prefix' | 'every-token';
  /** Every token is needed again after the span: tokens may be merged, but none may be pruned. */
  readonly mergeOnly: boolean;
  /** Sizes of the features, where methods with trained parts know what to do with them. */
  readonly features?: FeatureSizes;
}

/** Tokens that enter the first block of the span. */
export function tokensOf({ layout }: Pick<NetworkShape, 'layout'>): number {
  return tokenCount(layout);
}

/** The network's name in a sentence. */
export function nameOf({ model }: Pick<NetworkShape, 'model'>): string {
  return model ?? 'the network';
}

/**
 * Which blocks of the span a search may compress, as in the authors' code. The first is left out,
 * and the last where every token is read after it (MAE, CAFormer).
 */
export function compressibleBlocks({ depth, reads }: Pick<NetworkShape, 'depth' | 'reads'>): boolean[] {
  return Array.from({ length: depth }, (_, block) => block > 0 && !(reads === 'every-token' && block === depth - 1));
}
