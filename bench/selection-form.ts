/**
 * Forms of the selection rule (`src/reduction/dissimilarity.ts`) with more terms than it has.
 * `selection-form-reducer.ts` computes them, written plainly: all pairs of tokens, no candidates,
 * no operator saved.
 */

/**
 * What attends in a block that removes tokens.
 * - `all`: every token; who goes is decided afterwards, from what attention has added.
 * - `merged rows`: who goes is decided from the tokens that enter the block. Rows of the map become
 *   means before they read values, which gives the same as means of all outputs. A merged token has
 *   the length that its destination has after attention.
 * - `merged rows, lengths of before`: so, with the factor that keeps the length taken from the
 *   tokens that enter. The other one needs the destination's own output, which is not there then.
 * - `mean query`: decided from the tokens that enter; a merged token has one query, of the mean.
 * - `own query`: so, with the query of the token that stays; tokens that go do not attend.
 */
export type Attending = 'all' | 'merged rows' | 'merged rows, lengths of before' | 'mean query' | 'own query';

/** A form of the rule; exponents are functions of the depth, from 0 to 1. */
export interface SelectionForm {
  readonly power: (share: number) => number;
  readonly weight: (share: number) => number;
  readonly norm: (share: number) => number;
  /** Sizes of merged tokens add up as lengths of vectors. */
  readonly coherence: number;
  /** Shares, in a geometric mean, of the next block's class attention and of the former block's. */
  readonly next: number;
  readonly earlier: number;
  /** Share of the attention that a token receives from all. */
  readonly received: number;
  /** Half of the tokens go from even to odd positions, the other half back. */
  readonly twoWay: boolean;
  /** Similarity is weighted by what is little attended to, and by what is small. */
  readonly criteria: boolean;
  /**
   * What goes and has no larger cosine than this to any token that stays is pruned; −1 prunes
   * nothing.
   */
  readonly pruneBelow: number;
  /** Forms that decide before attention know no class attention but that of the block itself. */
  readonly attending: Attending;
}

/** The rule as it is. */
export const ownForm: SelectionForm = {
  power: () => 2,
  weight: () => 0.5,
  norm: () => 1,
  coherence: 0,
  next: 0,
  earlier: 0,
  received: 0,
  twoWay: false,
  criteria: false,
  pruneBelow: -1,
  attending: 'all',
};
