/**
 * Which token every patch of an image went into: the source map of a traced network, read as groups
 * of patches (Figure 5 of DiffRate, arXiv 2305.17997; ToMe's `make_visualization`).
 */
import { gridTokens, tokenCount } from '../reduction/token-layout.ts';
import type { TokenLayout } from '../reduction/token-layout.ts';

/**
 * The tokens at one place of the network as groups of patches; columns of prefix tokens are left
 * out.
 */
export interface TokenGroups {
  /** Per patch, row by row: the token that it is in, or `pruned`. */
  readonly owners: Int32Array;
  /** Per token: how many patches it stands for; 0 for prefix tokens. */
  readonly sizes: Int32Array;
  /** Per patch: why its token went last; absent where no selection rule says. */
  readonly reasons?: readonly (MergeReason | undefined)[] | undefined;
}

/**
 * Why a token went by the rule `dissimilarity`: it would have gone by its attention alone, or only
 * because it is alike a token that is more important.
 */
export type MergeReason = 'attention' | 'alike';

/** What became of an image's patches, in numbers. */
export interface TokenCounts {
  /** Tokens that are left, prefix tokens counted. */
  readonly tokens: number;
  /** Patches that are still tokens of their own. */
  readonly untouched: number;
  /** Tokens that stand for more than one patch. */
  readonly mergedTokens: number;
  /** Patches in those. */
  readonly mergedPatches: number;
  readonly prunedPatches: number;
  /**
   * Of the merged patches those that went only because they are alike more important ones; absent
   * where no selection rule says.
   */
  readonly alikePatches?: number;
}

/** Prefix tokens in words: `the class token`, `the 5 prefix tokens`. */
export function prefixInWords(prefix: number): string {
  return prefix === 1 ? 'the class token' : `the ${prefix} prefix tokens`;
}

/** Owner of a patch that is in no token any more. */
export const pruned = -1;

/**
 * Reads a source map.
 * @param source `[N, N0]`, 0 or 1: which input tokens went into a token. A patch that joined
 *   several tokens (it was equally similar to them) counts for the first.
 * @param layout the N0 input tokens: those of the prefix are no patches.
 * @param mask `[N]`, 0 or 1, where token numbers differ per image: rows of tokens that are not
 *   there say nothing.
 */
export function tokenGroups(source: Float32Array, layout: TokenLayout, mask?: Float32Array): TokenGroups {
  const { prefix } = layout;
  const inputTokens = tokenCount(layout);
  const rows = Array.from({ length: source.length / inputTokens }, (_, row) => row);
  const present = mask === undefined ? rows : rows.filter((row) => (mask[row] ?? 0) > 0.5);
  const owners = new Int32Array(gridTokens(layout)).fill(pruned);
  const sizes = new Int32Array(present.length);
  for (const [token, row] of present.entries()) {
    for (let patch = 0; patch < owners.length; patch++) {
      if ((source[row * inputTokens + prefix + patch] ?? 0) < 0.5 || owners[patch] !== pruned) continue;
      owners[patch] = token;
      sizes[token] = (sizes[token] ?? 0) + 1;
    }
  }
  return { owners, sizes };
}

/** The tokens among which one block's rule chose. */
export interface Selected {
  /** `[N, N0]`, 0 or 1: which input tokens had gone into each. */
  readonly source: Float32Array;
  /** `[N]`: attention per size, that of prefix tokens above all. */
  readonly attention: Float32Array;
  /** Those that went. */
  readonly gone: readonly number[];
}

/** Reasons per patch after a block, from those before it. */
export function mergeReasons(
  before: readonly (MergeReason | undefined)[],
  { source, attention, gone }: Selected,
  layout: TokenLayout,
): (MergeReason | undefined)[] {
  const ranked = Array.from(attention.keys()).sort((a, b) => (attention[a] ?? 0) - (attention[b] ?? 0));
  const least = new Set(ranked.slice(0, gone.length));
  const inputTokens = tokenCount(layout);
  const reasons = [...before];
  for (const token of gone) {
    for (let patch = 0; patch < reasons.length; patch++) {
      if ((source[token * inputTokens + layout.prefix + patch] ?? 0) < 0.5) continue;
      reasons[patch] = least.has(token) ? 'attention' : 'alike';
    }
  }
  return reasons;
}

/** Counts the groups. */
export function countTokens({ owners, sizes, reasons }: TokenGroups): TokenCounts {
  const merged = sizes.filter((size) => size > 1);
  return {
    tokens: sizes.length,
    untouched: sizes.filter((size) => size === 1).length,
    mergedTokens: merged.length,
    mergedPatches: merged.reduce((sum, size) => sum + size, 0),
    prunedPatches: owners.filter((owner) => owner === pruned).length,
    ...(reasons === undefined
      ? {}
      : { alikePatches: reasons.filter((reason, patch) => reason === 'alike' && owners[patch] !== pruned).length }),
  };
}
