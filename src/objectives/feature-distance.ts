/**
 * Features, compared as embeddings are: one minus their cosine.
 *
 *     target t = plain feature at unit length,   u = x / |x|
 *     distance = ½·|u − t|² = 1 − cos(x, t),   loss = mean over images of that,   floor = 0
 *
 * Half the squared difference is never negative, exactly 0 for equal directions, and loses no
 * digits near 0. A feature of zeros has no direction: it is ½ away from any that has one.
 */
import { div, max, mul, reduceMean, reduceSum, sqrt, sub } from '../graph/operators/index.ts';
import type { Tensor } from '../graph/tensor.ts';
import { requireFinite, rowPairs, rowsOf } from './answer-rows.ts';
import { NearestNeighbours } from './nearest-neighbours.ts';
import type { Measure, Objective } from './objective.ts';
import { smallestLength, unitLength } from './unit-length.ts';

/**
 * One minus the cosine of features, and the share of images that keep their nearest neighbour.
 * @param size width of a feature, D = T.
 */
export function featureDistance(size: number): Objective {
  return {
    name: 'featureDistance',
    title: 'cosine distance of features',
    unit: '1 − cosine',
    targetSize: size,
    targets: (answers) => {
      requireFinite(answers);
      return Float32Array.from(rowsOf(answers, size).flatMap((row) => [...unitLength(row)]));
    },
    loss: cosineDistance,
    floor: () => 0,
    distance: (target, answer) => halfSquare(unitLength(answer), target),
    measure: () => featureMeasure(size),
  };
}

/**
 * Mean over images of `½·|x/|x| − t|²`, a scalar; features and targets `[B, D]`, targets of unit
 * length.
 */
function cosineDistance(features: Tensor, targets: Tensor): Tensor {
  const length = sqrt(max(reduceSum(mul(features, features), [1], true), smallestLength ** 2));
  const difference = sub(div(features, length), targets);
  return mul(reduceMean(reduceSum(mul(difference, difference), [1]), [0]), 0.5);
}

/** `½·|a − b|²` of two vectors `[D]`. */
function halfSquare(a: Float64Array, b: Float32Array | Float64Array): number {
  return a.reduce((sum, value, index) => sum + (value - (b[index] ?? 0)) ** 2, 0) / 2;
}

function featureMeasure(size: number): Measure {
  const [own, plain] = [new NearestNeighbours(), new NearestNeighbours()];
  let [images, distance] = [0, 0];
  return {
    add(answers, reference) {
      for (const [row, referenceRow] of rowPairs(answers, reference, size)) {
        const [unit, referenceUnit] = [unitLength(row), unitLength(referenceRow)];
        images += 1;
        distance += halfSquare(unit, referenceUnit);
        own.add(unit);
        plain.add(referenceUnit);
      }
    },
    result: () => ({
      value: images === 0 ? null : distance / images,
      neighbourAgreement: images < 3 ? null : sharePercent(own.nearest(), plain.nearest()),
    }),
  };
}

/** Positions at which two lists `[n]` are equal, in percent. */
function sharePercent(a: Int32Array, b: Int32Array): number {
  return (100 * a.reduce((count, value, index) => count + (value === b[index] ? 1 : 0), 0)) / a.length;
}
