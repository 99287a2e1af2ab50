/**
 * How good a classifier is, and how near to the network it was made from: top-1 and top-5 accuracy, cross-entropy, agreement
 * and Kullback-Leibler divergence, summed over batches in float64.
 */
import { DiffrateError } from '../errors.ts';

/** Means over images; `null` where there was nothing to compare with. */
export interface Metrics {
  /** Images that were seen. */
  readonly images: number;
  /** Images whose most likely class is the label, in percent. */
  readonly top1: number | null;
  /** Images whose label is among the five most likely classes, in percent. */
  readonly top5: number | null;
  /** Mean cross-entropy with the labels, in nats. */
  readonly loss: number | null;
  /** Images whose most likely class is that of the reference network, in percent. */
  readonly agreement: number | null;
  /** Mean KL(reference ‖ network) of the class probabilities, in nats. */
  readonly kl: number | null;
}

/** One batch of results. */
export interface MetricBatch {
  /** `[B, classes]` */
  readonly logits: Float32Array;
  /** Logits of the reference network on the same images, `[B, classes]`. */
  readonly reference?: Float32Array;
  /** Class indices `[B]`. */
  readonly labels?: Int32Array;
}

/** Sums metrics over batches. */
export class MetricAccumulator {
  readonly #classes: number;
  #images = 0;
  #labelled = 0;
  #compared = 0;
  #first = 0;
  #firstFive = 0;
  #loss = 0;
  #agreeing = 0;
  #divergence = 0;

  /** @param classes number of logits per image, at least 1 */
  constructor(classes: number) {
    this.#classes = classes;
  }

  /**
   * Takes a batch in.
   * @throws DiffrateError if a logit is not a finite number.
   * @throws RangeError if lengths do not fit or a label is out of range; see `checkLabels` for a sentence that names the file.
   */
  add({ logits, reference, labels }: MetricBatch): void {
    const classes = this.#classes;
    const images = logits.length / classes;
    if (
      !Number.isInteger(images) ||
      (reference ?? logits).length !== logits.length ||
      (labels?.length ?? images) !== images
    ) {
      throw new RangeError(`${logits.length} logits of ${classes} classes do not fit the reference or the labels`);
    }
    for (let image = 0; image < images; image++) {
      const row = logits.subarray(image * classes, (image + 1) * classes);
      const total = logSumExp(row);
      const referenceRow = reference?.subarray(image * classes, (image + 1) * classes);
      if (referenceRow !== undefined) this.#compare(row, total, referenceRow);
      if (labels !== undefined) this.#score(row, total, labels[image] ?? -1);
    }
    this.#images += images;
  }

  /** The means so far. */
  result(): Metrics {
    const [labelled, compared] = [this.#labelled, this.#compared];
    return {
      images: this.#images,
      top1: labelled === 0 ? null : (100 * this.#first) / labelled,
      top5: labelled === 0 ? null : (100 * this.#firstFive) / labelled,
      loss: labelled === 0 ? null : this.#loss / labelled,
      agreement: compared === 0 ? null : (100 * this.#agreeing) / compared,
      kl: compared === 0 ? null : this.#divergence / compared,
    };
  }

  #score(row: Float32Array, total: number, label: number): void {
    const own = row[label];
    if (own === undefined) throw new RangeError(`label ${label} is not one of ${row.length} classes`);
    const rank = rankOf(row, label, own);
    this.#labelled += 1;
    if (rank === 0) this.#first += 1;
    if (rank < 5) this.#firstFive += 1;
    this.#loss += total - own;
  }

  #compare(row: Float32Array, total: number, reference: Float32Array): void {
    const referenceTotal = logSumExp(reference);
    let divergence = 0;
    for (let index = 0; index < row.length; index++) {
      const value = reference[index] ?? 0;
      // In this order the two networks' logits cancel exactly where they are equal.
      divergence += Math.exp(value - referenceTotal) * (value - (row[index] ?? 0) + (total - referenceTotal));
    }
    this.#compared += 1;
    this.#divergence += divergence;
    if (mostLikely(row) === mostLikely(reference)) this.#agreeing += 1;
  }
}

/** How many classes come before this one; of equal logits the lower index comes first, as in a stable sort. */
function rankOf(row: Float32Array, label: number, own: number): number {
  let rank = 0;
  for (let index = 0; index < row.length; index++) {
    const value = row[index] ?? 0;
    if (value > own || (value === own && index < label)) rank += 1;
  }
  return rank;
}

function mostLikely(row: Float32Array): number {
  let best = 0;
  for (let index = 1; index < row.length; index++) {
    if ((row[index] ?? 0) > (row[best] ?? 0)) best = index;
  }
  return best;
}

/** `log Σ exp(x)`, shifted by the largest so that nothing overflows. */
function logSumExp(row: Float32Array): number {
  const largest = row.reduce((most, value) => Math.max(most, value), -Infinity);
  const total = largest + Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0));
  if (!Number.isFinite(total)) {
    throw new DiffrateError(
      'The network gave logits that are no finite numbers: its weights are damaged or too large for their data type.',
    );
  }
  return total;
}
