/** An objective of the tests: the mean absolute difference of answers, smoothed where it is 0. */
import { add, pow, reduceMean, sqrt, sub } from '../../src/graph/operators/index.ts';
import type { Objective } from '../../src/objectives/objective.ts';

const smoothing = 1e-6;

/** `mean |a − t|` over answers of any kind. */
export function absoluteDifference(size: number): Objective {
  const distance = (target: Float32Array, answer: Float32Array): number =>
    answer.reduce((sum, value, index) => sum + Math.abs(value - (target[index] ?? 0)), 0) / size;
  return {
    name: 'absoluteDifference',
    title: 'mean absolute difference',
    unit: 'as answered',
    targetSize: size,
    targets: (answers) => answers,
    loss: (answers, targets) => reduceMean(reduceMean(sqrt(add(pow(sub(answers, targets), 2), smoothing)), [1]), [0]),
    floor: () => Math.sqrt(smoothing),
    distance,
    measure() {
      let [sum, images] = [0, 0];
      return {
        add(answers, reference) {
          for (let first = 0; first < answers.length; first += size) {
            sum += distance(reference.subarray(first, first + size), answers.subarray(first, first + size));
            images += 1;
          }
        },
        result: () => ({ value: images === 0 ? null : sum / images }),
      };
    },
  };
}
