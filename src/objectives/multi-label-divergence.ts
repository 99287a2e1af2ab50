/**
 * Labels of which any number may hold (`problem_type: multi_label_classification`): each is a coin
 * of its own, and an image's divergence is the sum over its labels.
 *
 *     target t = sigmoid(plain logits),   softplus(x) = log(1 + exp x)
 *     loss = mean over images of Σ_i softplus(x_i) − t_i·x_i,   floor = mean entropy of the coins t
 *     distance = Σ_i t_i·log t_i + (1 − t_i)·log(1 − t_i) + softplus(x_i) − t_i·x_i
 *
 * in nats per image.
 */
import { abs, add, exp, log, mul, neg, reduceMean, reduceSum, sub } from '../graph/operators/index.ts';
import type { Tensor } from '../graph/tensor.ts';
import { requireFinite, rowPairs } from './answer-rows.ts';
import type { Measure, Objective } from './objective.ts';

/**
 * KL divergence of label probabilities in nats, summed over labels, and the share of equal
 * decisions at a probability of 0.5.
 * @param size labels, D = T.
 */
export function multiLabelDivergence(size: number): Objective {
  return {
    name: 'multiLabelDivergence',
    title: 'KL divergence of label probabilities, summed over labels',
    unit: 'nats',
    targetSize: size,
    targets: (answers) => {
      requireFinite(answers);
      return answers.map(sigmoid);
    },
    loss: bernoulliCrossEntropy,
    floor: (targets) =>
      -targets.reduce((sum, probability) => sum + negativeEntropy(probability), 0) / (targets.length / size),
    distance: klOfLabels,
    measure: () => labelMeasure(size),
  };
}

/**
 * Mean over images of `Σ softplus(x) − t·x`, a scalar; both operands `[B, labels]`.
 * `softplus(x) = (x + |x|)/2 + log(1 + exp −|x|)` overflows nowhere, and its gradient at 0 is 1/2
 * as it should be.
 */
function bernoulliCrossEntropy(logits: Tensor, targets: Tensor): Tensor {
  const size = abs(logits);
  const softplusOfLogits = add(mul(add(logits, size), 0.5), log(add(exp(neg(size)), 1)));
  return reduceMean(reduceSum(sub(softplusOfLogits, mul(targets, logits)), [1]), [0]);
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** `log(1 + exp x)`. */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** `t·log t`, 0 at 0. */
const timesLog = (probability: number): number => (probability > 0 ? probability * Math.log(probability) : 0);

/** `t·log t + (1 − t)·log(1 − t)`. */
const negativeEntropy = (probability: number): number => timesLog(probability) + timesLog(1 - probability);

function klOfLabels(target: Float32Array, logits: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < target.length; index++) {
    const [probability, x] = [target[index] ?? 0, logits[index] ?? 0];
    sum += negativeEntropy(probability) + (softplus(x) - probability * x);
  }
  return Math.max(0, sum);
}

function labelMeasure(size: number): Measure {
  let [images, agreeing, divergence] = [0, 0, 0];
  return {
    add(answers, reference) {
      for (const [row, plain] of rowPairs(answers, reference, size)) {
        images += 1;
        for (let index = 0; index < size; index++) {
          const [value, x] = [plain[index] ?? 0, row[index] ?? 0];
          // In this order equal logits cancel exactly.
          divergence += sigmoid(value) * (value - x) + (softplus(x) - softplus(value));
          if (x > 0 === value > 0) agreeing += 1;
        }
      }
    },
    result: () => ({
      value: images === 0 ? null : divergence / images,
      agreement: images === 0 ? null : (100 * agreeing) / (images * size),
    }),
  };
}
