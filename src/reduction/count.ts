/**
 * Numbers of tokens that a graph knows when it is built, or reads when it runs: the same functions
 * then build networks of one schedule and blocks that serve every schedule.
 */
import { dynamicSlice, split, topK } from '../graph/operators/index.ts';
import type { TopKOutputs } from '../graph/operators/selection.ts';
import { int64Vector } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';

/** A number of tokens, or an int64 input `[1]` and the name of the dimension that it gives. */
export type Count = number | { readonly value: Tensor; readonly name: string };

/** The first tokens of `x [B, N, …]` and the others; both counts are at least 1. */
export function partition(x: Tensor, first: Count, rest: Count): readonly [first: Tensor, rest: Tensor] {
  if (typeof first === 'number' && typeof rest === 'number') {
    const [leading, others] = split(x, 1, [first, rest]);
    return [leading as Tensor, others as Tensor];
  }
  const end = int64Vector([Number.MAX_SAFE_INTEGER]);
  return [
    dynamicSlice(x, 1, int64Vector([0]), valueOf(first), nameOf(first)),
    dynamicSlice(x, 1, valueOf(first), end, nameOf(rest)),
  ];
}

/** The largest numbers of `x [B, N, 1]` in descending order, and where they are. */
export function largest(x: Tensor, count: Count): TopKOutputs {
  return topK(x, countOf(count), true, 1);
}

/** The smallest numbers of `x [B, N, 1]` in ascending order, and where they are. */
export function smallest(x: Tensor, count: Count): TopKOutputs {
  return topK(x, countOf(count), false, 1);
}

const countOf = (count: Count) => (typeof count === 'number' ? count : { count: count.value, name: count.name });
const valueOf = (count: Count): Tensor => (typeof count === 'number' ? int64Vector([count]) : count.value);
const nameOf = (count: Count): number | string => (typeof count === 'number' ? count : count.name);
