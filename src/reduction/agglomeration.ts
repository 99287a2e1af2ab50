/**
 * Agglomerative clustering in a graph: every token is a cluster, and the two most similar clusters
 * join until so many are left. The number of joins is a constant, so they are written one after the
 * other; each needs the one before. That costs time, but no multiplications to speak of.
 */
import {
  add,
  argMax,
  cast,
  div,
  equal,
  gatherND,
  max,
  min,
  mul,
  reduceMax,
  reshape,
  sub,
  topK,
  where,
} from '../graph/operators/index.ts';
import { dimensionAt, sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { asRow, perPosition, positionsOf } from './positions.ts';
import type { TokenClusters } from './token-clusters.ts';

/**
 * How similar two clusters are: as all pairs on the mean, as the least or the most similar pair.
 */
export const linkages = ['average', 'complete', 'single'] as const;

/** One of the linkages. */
export type Linkage = (typeof linkages)[number];

/** Below any cosine, and below the mean of one and itself: the similarity of what is no pair. */
const apart = -100;

/** Clusters while they join. A cluster has the position of its first token. */
interface Joining {
  /** `[B, P, P]`, far below 0 where two positions are no pair of clusters. */
  readonly similarity: Tensor;
  /** `[B, P, 1]`: tokens of the cluster at a position. */
  readonly counts: Tensor;
  /** Float `[B, P, 1]`: the position of each token's cluster. */
  readonly owner: Tensor;
}

/**
 * `count` clusters of P tokens by their similarities `[B, P, P]`, in the order of their first
 * tokens.
 */
export function agglomerate(similarity: Tensor, count: number, linkage: Linkage): TokenClusters {
  const tokens = sizeAt(similarity, 1);
  const everyPosition = perPosition(tokens, (position) => position);
  const diagonal = cast(equal(everyPosition, asRow(everyPosition)), 'float32');
  const zero = mul(reshape(reduceMax(similarity, [2], true), [dimensionAt(similarity, 0), tokens, 1]), 0);
  let clusters: Joining = {
    similarity: add(similarity, mul(diagonal, apart)),
    counts: add(zero, 1),
    owner: add(zero, everyPosition),
  };
  for (let left = tokens; left > count; left--) clusters = joinNearest(clusters, linkage);
  const isFirst = cast(equal(clusters.owner, everyPosition), 'float32');
  const rank = sub(mul(isFirst, 2 * tokens), everyPosition);
  const centres = topK(rank, count, true, 1).indices;
  const members = cast(equal(asRow(clusters.owner), positionsOf(centres, tokens)), 'float32');
  return { members, centres };
}

/** Joins the two most similar clusters: the one at the later position goes into the other. */
function joinNearest({ similarity, counts, owner }: Joining, linkage: Linkage): Joining {
  const tokens = sizeAt(similarity, 1);
  const first = argMax(reduceMax(similarity, [2], true), 1, true);
  const firstRow = gatherND(similarity, first);
  const second = argMax(firstRow, 2, true);
  const secondRow = gatherND(similarity, second);
  const [firstCount, secondCount] = [gatherND(counts, first), gatherND(counts, second)];
  const position = perPosition(tokens, (index) => index);
  const at = (x: Tensor): { readonly column: Tensor; readonly row: Tensor } => {
    const found = positionsOf(x, tokens);
    return { column: equal(position, found), row: equal(asRow(position), found) };
  };
  const [isFirst, isSecond] = [at(first), at(second)];
  const together = add(firstCount, secondCount);
  const linked = {
    average: () => div(add(mul(firstRow, firstCount), mul(secondRow, secondCount)), together),
    complete: () => min(firstRow, secondRow),
    single: () => max(firstRow, secondRow),
  }[linkage]();
  // A cluster is no pair with itself; the later position is none any more.
  const row = where(isFirst.row, apart, linked);
  const column = reshape(row, [dimensionAt(row, 0), tokens, 1]);
  const joined = where(isFirst.column, row, where(isFirst.row, column, similarity));
  return {
    similarity: where(isSecond.column, apart, where(isSecond.row, apart, joined)),
    counts: where(isFirst.column, together, counts),
    owner: where(equal(owner, positionsOf(second, tokens)), positionsOf(first, tokens), owner),
  };
}
