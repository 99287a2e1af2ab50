/**
 * What a search may change of a network's kept numbers: which blocks, between which bounds, and
 * what stays as it is in the others.
 */
import { compressibleBlocks, tokensOf } from './network-shape.ts';
import type { NetworkShape } from './network-shape.ts';
import type { KeptNumbers } from './schedule.ts';
import { smallestKept, tokenCount } from './token-layout.ts';
import type { TokenLayout } from './token-layout.ts';

/** The numbers of a search. */
export interface SearchSpace {
  readonly layout: TokenLayout;
  /** Blocks of the span. */
  readonly depth: number;
  /** Those whose numbers are learnt, in order. */
  readonly searched: readonly number[];
  /** Kept numbers of the others; the entries of searched blocks have no meaning. */
  readonly fixed: KeptNumbers;
  /** Tokens that go are merged, none is pruned. */
  readonly mergeOnly: boolean;
}

/**
 * The space of a network. Where only prefix tokens are read after the span, its last block keeps
 * only these and computes nothing else.
 * @param lastBlock whether that block's numbers are learnt all the same, as published.
 */
export function searchSpace(shape: NetworkShape, lastBlock = false): SearchSpace {
  const { layout, depth, reads, mergeOnly } = shape;
  const last = reads === 'prefix' && !lastBlock ? depth - 1 : undefined;
  const searched = compressibleBlocks(shape).flatMap((may, block) => (may && block !== last ? [block] : []));
  const all = Array.from({ length: depth }, (_, block) =>
    reads === 'prefix' && block === depth - 1 ? Math.max(1, layout.prefix) : tokensOf(shape),
  );
  return { layout, depth, searched, fixed: { pruneKept: all, mergeKept: all }, mergeOnly };
}

/** Every searched block keeps as few tokens as it may. */
export function leastKept({ layout, searched, fixed }: SearchSpace): KeptNumbers {
  return withSearched(searched, fixed, smallestKept(layout));
}

/** No searched block removes a token. */
export function greatestKept({ layout, searched, fixed }: SearchSpace): KeptNumbers {
  return withSearched(searched, fixed, tokenCount(layout));
}

function withSearched(searched: readonly number[], { pruneKept, mergeKept }: KeptNumbers, kept: number): KeptNumbers {
  const replaced = (numbers: readonly number[]): number[] =>
    numbers.map((number, block) => (searched.includes(block) ? kept : number));
  return { pruneKept: replaced(pruneKept), mergeKept: replaced(mergeKept) };
}
