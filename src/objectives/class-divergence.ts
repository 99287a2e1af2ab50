/**
 * Classes: the divergence of class probabilities.
 *
 *     target t = softmax(plain logits), or one-hot labels
 *     loss = mean over images of −Σ_i t_i·log softmax(x)_i,   floor = mean entropy of t
 *     distance = KL(t ‖ softmax(x)) in nats
 */
import { crossEntropy } from '../nn/cross-entropy.ts';
import { requireFinite, rowPairs } from './answer-rows.ts';
import type { Measure, Objective } from './objective.ts';
import { klOfLogits, klOfProbabilities, softmaxRows } from './softmax.ts';

/**
 * KL divergence of class probabilities in nats, and the share of images with the same most likely
 * class.
 * @param size classes, D = T.
 */
export function classDivergence(size: number): Objective {
  return {
    name: 'classDivergence',
    title: 'KL divergence of class probabilities',
    unit: 'nats',
    targetSize: size,
    targets: (answers) => {
      requireFinite(answers);
      return softmaxRows(answers, size);
    },
    labelTargets: (labels) => oneHot(labels, size),
    loss: crossEntropy,
    floor: (targets) => entropy(targets) / (targets.length / size),
    distance: klOfProbabilities,
    measure: () => classMeasure(size),
  };
}

/** Index of the largest of one image's logits `[classes]`, of equal ones the first. */
function mostLikely(row: Float32Array): number {
  let best = 0;
  for (let index = 1; index < row.length; index++) {
    if ((row[index] ?? 0) > (row[best] ?? 0)) best = index;
  }
  return best;
}

function oneHot(labels: Int32Array, classes: number): Float32Array {
  const targets = new Float32Array(labels.length * classes);
  labels.forEach((label, image) => {
    if (label < 0 || label >= classes) throw new RangeError(`label ${label} is not one of ${classes} classes`);
    targets[image * classes + label] = 1;
  });
  return targets;
}

/** `−Σ t·log t` over all images. */
function entropy(targets: Float32Array): number {
  let sum = 0;
  for (const probability of targets) if (probability > 0) sum -= probability * Math.log(probability);
  return sum;
}

function classMeasure(size: number): Measure {
  let [images, agreeing, divergence] = [0, 0, 0];
  return {
    add(answers, reference) {
      for (const [row, plain] of rowPairs(answers, reference, size)) {
        images += 1;
        divergence += klOfLogits(plain, row);
        if (mostLikely(row) === mostLikely(plain)) agreeing += 1;
      }
    },
    result: () => ({
      value: images === 0 ? null : divergence / images,
      agreement: images === 0 ? null : (100 * agreeing) / images,
    }),
  };
}
