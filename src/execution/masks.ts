/**
 * From the kept numbers of one block to what the step graph is fed, and from the graph's gradient
 * back to the two proxies: `m = m_previous · m_prune · m_merge`, each hard, 0 from its kept number
 * up to the current live token number and 1 elsewhere.
 */
import { selectionCounts } from '../reduction/dissimilarity.ts';
import { excluded } from '../reduction/merge.ts';
import type { Selection } from '../reduction/selection.ts';
import { tokenCount } from '../reduction/token-layout.ts';
import type { TokenLayout } from '../reduction/token-layout.ts';
import type { RuntimeTensor } from '../runtime/runtime.ts';
import { floats, integers } from '../runtime/runtime.ts';

/** The masks of one block in one step. */
export interface BlockMasks {
  /** Live tokens before and after the block. */
  readonly liveBefore: number;
  readonly liveAfter: number;
  /** Live tokens between pruning and merging. */
  readonly pruned: number;
  /**
   * Hard masks by sorted position; `undefined` where the kept number is not below the live number
   * and the proxy takes no part.
   */
  readonly prune: Float64Array | undefined;
  readonly merge: Float64Array | undefined;
}

/** Masks for the kept numbers P and K when `live` of `tokens` tokens are left. */
export function blockMasks(tokens: number, live: number, pruneKept: number, mergeKept: number): BlockMasks {
  const pruned = Math.min(live, pruneKept);
  const merged = Math.min(pruned, mergeKept);
  return {
    liveBefore: live,
    liveAfter: merged,
    pruned,
    prune: pruned < live ? hardMask(tokens, pruned, live) : undefined,
    merge: merged < pruned ? hardMask(tokens, merged, pruned) : undefined,
  };
}

/**
 * First position that goes and the one after the last; one stand-in where nothing goes, as no
 * dimension may be 0.
 */
export function sourceRange(tokens: number, masks: BlockMasks): { readonly start: number; readonly end: number } {
  const { liveBefore, liveAfter } = masks;
  return liveAfter < liveBefore ? { start: liveAfter, end: liveBefore } : { start: tokens - 1, end: tokens };
}

/** Feeds of the searched block (see `SearchedBlock`). Prefix tokens are no destinations. */
export function maskFeeds(
  block: number,
  layout: TokenLayout,
  masks: BlockMasks,
  selection?: Selection,
): Record<string, RuntimeTensor> {
  const tokens = tokenCount(layout);
  const { start, end } = sourceRange(tokens, masks);
  const mask = new Float32Array(tokens)
    .fill(1)
    .map((_, position) => (masks.prune?.[position] ?? 1) * (masks.merge?.[position] ?? 1));
  const destinations = new Float32Array(tokens).fill(excluded).fill(0, layout.prefix, start);
  const merged = Float32Array.from({ length: end - start }, (_, index) => (masks.merge?.[start + index] === 0 ? 1 : 0));
  const name = `blocks.${block}`;
  return {
    [`${name}.mask`]: floats(mask, [tokens]),
    [`${name}.destinations`]: floats(destinations, [tokens]),
    [`${name}.source_start`]: integers([start]),
    [`${name}.source_end`]: integers([end]),
    [`${name}.source_weight`]: floats(merged, [end - start]),
    ...(selection === undefined ? {} : selectionFeeds(name, layout, masks, selection)),
  };
}

function selectionFeeds(
  name: string,
  { prefix }: TokenLayout,
  { pruned, liveAfter }: BlockMasks,
  selection: Selection,
): Record<string, RuntimeTensor> {
  const sure = liveAfter < pruned ? selectionCounts(selection, prefix, pruned, liveAfter).sure : pruned;
  return {
    [`${name}.prune_kept`]: floats(Float32Array.of(pruned), [1]),
    [`${name}.sure`]: floats(Float32Array.of(sure), [1]),
  };
}

/** Gradients per position of the two proxies' masks from that of their product. */
export function splitMaskGradient(
  masks: BlockMasks,
  gradient: ArrayLike<number>,
): { prune: Float64Array | undefined; merge: Float64Array | undefined } {
  const times = (other: Float64Array | undefined): Float64Array =>
    Float64Array.from(gradient, (value, position) => value * (other?.[position] ?? 1));
  return {
    prune: masks.prune === undefined ? undefined : times(masks.merge),
    merge: masks.merge === undefined ? undefined : times(masks.prune),
  };
}

function hardMask(tokens: number, from: number, to: number): Float64Array {
  return new Float64Array(tokens).fill(1).fill(0, from, to);
}
