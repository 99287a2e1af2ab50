/**
 * Which tokens there are when they enter the blocks that may remove some: first the prefix tokens,
 * then the grid of patches, row by row. This is the only place that knows what comes first, how
 * many tokens that are, and which shape the others have. Names follow timm's `num_prefix_tokens`
 * and `grid_size`.
 */
import { concat, dynamicSlice, slice } from '../graph/operators/index.ts';
import { constant, int64Vector, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';

/** The tokens at the first block that may remove some. */
export interface TokenLayout {
  /**
   * Class, distillation and register tokens: they come first, are never removed, and nothing is
   * merged into them.
   */
  readonly prefix: number;
  /** Patches in rows and columns; the grid may be oblong. */
  readonly grid: readonly [rows: number, columns: number];
}

/** Patch tokens of a layout. */
export function gridTokens({ grid: [rows, columns] }: TokenLayout): number {
  return rows * columns;
}

/** All tokens of a layout, `N` at the first block. */
export function tokenCount(layout: TokenLayout): number {
  return layout.prefix + gridTokens(layout);
}

/** Least tokens that a block may keep: the prefix, and one patch for the others to merge into. */
export function smallestKept({ prefix }: Pick<TokenLayout, 'prefix'>): number {
  return prefix + 1;
}

/**
 * Above any attention; less than the largest half-precision number for as many prefix tokens as
 * networks have.
 */
const aboveAll = 1e4;

/** What keeps prefix tokens apart from each other in their order. */
const step = 16;

/**
 * What is added to the score of the token at a position so that prefix tokens come first, in their
 * order.
 */
export function prefixBonus(prefix: number, position: number): number {
  return position < prefix ? aboveAll + step * (prefix - 1 - position) : 0;
}

/** More than any bonus: subtracted from prefix tokens, it puts them below all others. */
export const prefixMark = 4 * aboveAll;

/**
 * `[1, N, 1]`: a value per position of tokens whose prefix is still in front.
 * @param count N
 */
export function perToken(
  { prefix }: Pick<TokenLayout, 'prefix'>,
  count: number,
  values: { readonly prefix: (position: number) => number; readonly grid: (position: number) => number },
): Tensor {
  const of = (position: number): number => (position < prefix ? values.prefix(position) : values.grid(position));
  return constant(
    Float32Array.from({ length: count }, (_, position) => of(position)),
    [1, count, 1],
    'float32',
  );
}

/** The first `count` tokens of `x [B, N, …]`. There must be that many; N may be a name. */
export function leadingTokens(x: Tensor, count: number): Tensor {
  if (typeof x.shape[1] === 'number' || count === 1) return slice(x, 1, 0, count);
  return dynamicSlice(x, 1, int64Vector([0]), int64Vector([count]), count);
}

/** The prefix tokens of `x [B, N, …]`, `[B, prefix, …]`; `undefined` where there are none. */
export function prefixOf(x: Tensor, { prefix }: Pick<TokenLayout, 'prefix'>): Tensor | undefined {
  return prefix === 0 ? undefined : leadingTokens(x, prefix);
}

/** The grid tokens of `x [B, N, …]` that are left, N being a number. */
export function gridOf(x: Tensor, { prefix }: Pick<TokenLayout, 'prefix'>): Tensor {
  return prefix === 0 ? x : slice(x, 1, prefix, sizeAt(x, 1));
}

/** Prefix tokens, where there are any, and what follows them. */
export function withPrefix(prefix: Tensor | undefined, grid: Tensor): Tensor {
  return prefix === undefined ? grid : concat([prefix, grid], 1);
}
