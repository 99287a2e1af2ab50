/**
 * Numbers: the squared error, in units of the variance of the plain outputs.
 *
 *     target t = plain outputs
 *     σ_i = standard deviation of plain output i over images (1 before `fitted`)
 *     distance = mean over outputs of ((x_i − t_i) / σ_i)²
 *     loss = mean over images of that,   floor = 0
 *     measure = √(mean over images and outputs of ((x_i − t_i) / σ_i)²)
 *     with σ of the very images that are measured
 *
 * Outputs that do not vary from image to image have no such unit; they are left out of the mean
 * over outputs.
 */
import { mul, reduceMean, reduceSum, sub } from '../graph/operators/index.ts';
import { constant } from '../graph/tensor.ts';
import { requireFinite, rowPairs, rowsOf } from './answer-rows.ts';
import type { Measure, Objective } from './objective.ts';
import { OutputSpread } from './output-spread.ts';

/**
 * Root mean squared error in standard deviations of the plain outputs; loss and distance are
 * squares of it. `fitted` sets the deviations for them; where no plain output varies, or there is
 * one image only, they stay 1.
 * @param size outputs, D = T.
 */
export function regressionError(size: number): Objective {
  return scaledError(size, new Float64Array(size).fill(1));
}

/**
 * @param deviations of the outputs, `[D]`; outputs with deviation 0 are left out; not all may be 0.
 */
function scaledError(size: number, deviations: Float64Array): Objective {
  const factors = factorsOf(deviations);
  return {
    name: 'regressionError',
    title: 'root mean squared error over the standard deviation of the plain outputs',
    unit: 'standard deviations',
    targetSize: size,
    targets: (answers) => {
      requireFinite(answers);
      return answers.slice();
    },
    fitted: (answers) => {
      requireFinite(answers);
      const spread = new OutputSpread(size);
      for (const row of rowsOf(answers, size)) spread.add(row);
      const found = spread.deviations();
      return found.some((deviation) => deviation > 0) ? scaledError(size, found) : regressionError(size);
    },
    loss: (answers, targets) => {
      const error = mul(sub(answers, targets), constant(Float32Array.from(factors), [size], 'float32'));
      return reduceMean(reduceSum(mul(error, error), [1]), [0]);
    },
    floor: () => 0,
    distance: (target, answer) =>
      factors.reduce((sum, factor, output) => sum + (((answer[output] ?? 0) - (target[output] ?? 0)) * factor) ** 2, 0),
    measure: () => errorMeasure(size),
  };
}

/**
 * What errors `[D]` are multiplied by, so that the sum of their squares is a mean in units of
 * variance.
 */
function factorsOf(deviations: Float64Array): Float64Array {
  const counted = deviations.reduce((count, deviation) => count + (deviation > 0 ? 1 : 0), 0);
  return deviations.map((deviation) => (deviation > 0 ? 1 / (deviation * Math.sqrt(counted)) : 0));
}

function errorMeasure(size: number): Measure {
  const spread = new OutputSpread(size);
  const squares = new Float64Array(size);
  let images = 0;
  return {
    add(answers, reference) {
      for (const [row, plain] of rowPairs(answers, reference, size)) {
        images += 1;
        spread.add(plain);
        for (let output = 0; output < size; output++)
          squares[output] = (squares[output] ?? 0) + ((row[output] ?? 0) - (plain[output] ?? 0)) ** 2;
      }
    },
    result: () => {
      const factors = factorsOf(spread.deviations());
      if (factors.every((factor) => factor === 0)) return { value: null };
      const sum = squares.reduce((total, square, output) => total + square * (factors[output] ?? 0) ** 2, 0);
      return { value: Math.sqrt(sum / images) };
    },
  };
}
