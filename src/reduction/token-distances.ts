/** Euclidean distances between tokens, and who is nearest to whom. */
import {
  add,
  argMax,
  cast,
  equal,
  matMul,
  max,
  mul,
  neg,
  reduceSum,
  sqrt,
  sub,
  transpose,
} from '../graph/operators/index.ts';
import { sizeAt } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { asRow, lookUp, perPosition } from './positions.ts';

/** Distances `[B, P, P]` of the tokens `x [B, P, C]`. */
export function tokenDistances(x: Tensor): Tensor {
  const squares = reduceSum(mul(x, x), [2], true);
  const products = matMul(x, transpose(x, [0, 2, 1]));
  // Rounding may bring a square below 0.
  return sqrt(max(sub(add(squares, asRow(squares)), mul(products, 2)), 0));
}

/**
 * `[B, K, P]`: 1 where a token belongs to a centre, the nearest to it, the first of equals.
 * @param distances `[B, K, P]` of the centres to all tokens.
 */
export function nearestCentres(distances: Tensor): Tensor {
  const centres = sizeAt(distances, 1);
  const nearest = lookUp(argMax(neg(distances), 1, true), centres, (centre) => centre);
  return cast(
    equal(
      nearest,
      perPosition(centres, (centre) => centre),
    ),
    'float32',
  );
}
