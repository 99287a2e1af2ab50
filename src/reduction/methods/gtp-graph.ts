/**
 * The graph of patch tokens along which GTP propagates: neighbours on the grid, neighbours in
 * meaning, or both.
 */
import {
  add,
  cast,
  div,
  greaterOrEqual,
  matMul,
  max,
  mul,
  pad,
  reduceSum,
  reshape,
  slice,
  sqrt,
  topK,
  transpose,
} from '../../graph/operators/index.ts';
import { constant, dimensionAt, sizeAt } from '../../graph/tensor.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { gridOf } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import { unitLength } from '../unit-length.ts';

/** Which neighbours make edges. */
export const graphKinds = ['mixed', 'spatial', 'semantic'] as const;

/** One of them. */
export type GraphKind = (typeof graphKinds)[number];

/**
 * Edge weights `[B, N, N]` of tokens `[B, N, C]`: `D^-½·G·D^-½`, D the row sums of the 0/1 graph G.
 * Prefix tokens have no edges. Spatial edges join the eight neighbours on the grid. Semantic ones
 * go from a patch to those at least as similar (cosine) as its `neighbours`-th other one, and need
 * not go back.
 * @param layout of the tokens, none of which is gone yet.
 */
export function propagationGraph(tokens: Tensor, layout: TokenLayout, kind: GraphKind, neighbours: number): Tensor {
  const { prefix, grid } = layout;
  const patches = gridOf(tokens, layout);
  const [batch, count] = [dimensionAt(patches, 0), sizeAt(patches, 1)];
  const edges = edgesOf(patches, grid, kind, neighbours);
  const degree = sqrt(max(reduceSum(edges, [2], true), 1));
  const weights = div(div(edges, degree), reshape(degree, [batch, 1, count]));
  const all = prefix + count;
  return prefix === 0 ? weights : pad(pad(weights, 1, prefix, 0, all), 2, prefix, 0, all);
}

/** 0/1 `[B, patches, patches]`, nothing on the diagonal. */
function edgesOf(patches: Tensor, grid: TokenLayout['grid'], kind: GraphKind, neighbours: number): Tensor {
  const [batch, count] = [dimensionAt(patches, 0), sizeAt(patches, 1)];
  if (kind === 'semantic') return semanticEdges(patches, neighbours);
  const spatial = constant(gridNeighbours(grid), [1, count, count], 'float32');
  if (kind === 'mixed') return max(semanticEdges(patches, neighbours), spatial);
  const nothing = mul(reshape(slice(slice(patches, 1, 0, 1), 2, 0, 1), [batch, 1, 1]), 0);
  return add(spatial, nothing);
}

function semanticEdges(patches: Tensor, neighbours: number): Tensor {
  const count = sizeAt(patches, 1);
  const directions = unitLength(patches);
  const cosine = matMul(directions, transpose(directions, [0, 2, 1]));
  // The first of a row is the patch itself.
  const nearest = topK(cosine, Math.min(count, neighbours + 1)).values;
  const similar = cast(greaterOrEqual(cosine, slice(nearest, 2, -1)), 'float32');
  const others = Float32Array.from({ length: count * count }, (_, index) =>
    Math.floor(index / count) === index % count ? 0 : 1,
  );
  return mul(similar, constant(others, [1, count, count], 'float32'));
}

/** 1 where two patches of a grid touch, corners included. */
function gridNeighbours([height, width]: TokenLayout['grid']): Float32Array {
  const count = height * width;
  return Float32Array.from({ length: count * count }, (_, index) => {
    const [a, b] = [Math.floor(index / count), index % count];
    const rows = Math.abs(Math.floor(a / width) - Math.floor(b / width));
    const columns = Math.abs((a % width) - (b % width));
    return Number(a !== b && rows <= 1 && columns <= 1);
  });
}
