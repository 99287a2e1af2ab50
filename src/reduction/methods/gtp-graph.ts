/** The graph of patch tokens along which GTP propagates: neighbours on the grid, neighbours in meaning, or both. */
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
import { unitLength } from '../unit-length.ts';

/** Which neighbours make edges. */
export const graphKinds = ['mixed', 'spatial', 'semantic'] as const;

/** One of them. */
export type GraphKind = (typeof graphKinds)[number];

/**
 * Edge weights `[B, N, N]` of tokens `[B, N, C]` whose first is a class token, without edges: `D^-½·G·D^-½`, D the row sums of the 0/1 graph G.
 * Spatial edges join the eight neighbours on the square grid; semantic ones go from a patch to those at least as similar (cosine) as
 * its `neighbours`-th other one, and need not go back.
 */
export function propagationGraph(tokens: Tensor, kind: GraphKind, neighbours: number): Tensor {
  const patches = slice(tokens, 1, 1);
  const [batch, count] = [dimensionAt(patches, 0), sizeAt(patches, 1)];
  const edges = edgesOf(patches, kind, neighbours);
  const degree = sqrt(max(reduceSum(edges, [2], true), 1));
  const weights = div(div(edges, degree), reshape(degree, [batch, 1, count]));
  return pad(pad(weights, 1, 1, 0, count + 1), 2, 1, 0, count + 1);
}

/** 0/1 `[B, patches, patches]`, nothing on the diagonal. */
function edgesOf(patches: Tensor, kind: GraphKind, neighbours: number): Tensor {
  const [batch, count] = [dimensionAt(patches, 0), sizeAt(patches, 1)];
  if (kind === 'semantic') return semanticEdges(patches, neighbours);
  const grid = constant(gridNeighbours(Math.round(Math.sqrt(count))), [1, count, count], 'float32');
  if (kind === 'mixed') return max(semanticEdges(patches, neighbours), grid);
  const nothing = mul(reshape(slice(slice(patches, 1, 0, 1), 2, 0, 1), [batch, 1, 1]), 0);
  return add(grid, nothing);
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

/** 1 where two patches of a square grid touch, corners included. */
function gridNeighbours(side: number): Float32Array {
  const count = side * side;
  return Float32Array.from({ length: count * count }, (_, index) => {
    const [a, b] = [Math.floor(index / count), index % count];
    const rows = Math.abs(Math.floor(a / side) - Math.floor(b / side));
    const columns = Math.abs((a % side) - (b % side));
    return Number(a !== b && rows <= 1 && columns <= 1);
  });
}
