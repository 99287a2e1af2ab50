/**
 * How good a network is, and how near to the one it was made from: accuracy and cross-entropy of a
 * classifier, and the distance of answers as objectives measure it, summed over batches in float64.
 */
import { requireFinite, rowsOf } from '../objectives/answer-rows.ts';
import type { Answers, Measure, Objective } from '../objectives/objective.ts';
import { objectiveFor } from '../objectives/registry.ts';
import { logSumExp } from '../objectives/softmax.ts';

/**
 * Means over images; `null` where there was nothing to compare with, or the network gives nothing
 * of the kind.
 */
export interface Metrics {
  /** Images that were seen. */
  readonly images: number;
  /**
   * How far answers are from those of the reference network, by the objective that was asked for.
   */
  readonly objective: MeasuredObjective | null;
  /** Images whose most likely class is the label, in percent. */
  readonly top1: number | null;
  /**
   * Images whose label is among the five most likely classes, in percent; `null` where there are no
   * more than five, since all are among them.
   */
  readonly top5: number | null;
  /** Mean cross-entropy with the labels, in nats. */
  readonly loss: number | null;
  /**
   * Images whose most likely class is that of the reference network, or labels that hold or not as
   * there, in percent.
   */
  readonly agreement: number | null;
  /** Mean KL(reference ‖ network) of the class probabilities, in nats. */
  readonly kl: number | null;
  /** Mean of 1 − cosine of the features. */
  readonly featureDistance: number | null;
  /** Images whose nearest other image by features is that of the reference network, in percent. */
  readonly neighbourAgreement: number | null;
}

/** What an objective measured. */
export interface MeasuredObjective {
  /** Name of the objective. */
  readonly name: string;
  readonly value: number;
  /** Unit of the value, in words. */
  readonly unit: string;
}

/** One batch of results. */
export interface MetricBatch {
  /** `[B, D]`; logits of a classifier. */
  readonly answers: Float32Array;
  /** Answers of the reference network on the same images, `[B, D]`. */
  readonly reference?: Float32Array;
  /** Class indices `[B]`; they say nothing of networks that give no classes, or one only. */
  readonly labels?: Int32Array;
}

/** Classes that a label may name; 0 where a network gives none, or one number only. */
export function classesOf({ kind, size }: Answers): number {
  return kind === 'classes' && size > 1 ? size : 0;
}

/** Sums metrics over batches. */
export class MetricAccumulator {
  readonly #answers: Answers;
  readonly #objective: Objective;
  /**
   * The objective of that kind of answers: agreement and the measures with names of their own come
   * from it.
   */
  readonly #usual: Objective;
  readonly #usualMeasure: Measure;
  /** The same one where the usual objective was asked for. */
  readonly #measure: Measure;
  #images = 0;
  #labelled = 0;
  #first = 0;
  #firstFive = 0;
  #loss = 0;

  /**
   * @param answers what the network gives.
   * @param objective what to measure besides, by default the usual one for such answers.
   * @throws {DiffrateError} where no objective fits such answers.
   */
  constructor(answers: Answers, objective?: Objective) {
    this.#answers = answers;
    this.#usual = objectiveFor(answers);
    this.#objective = objective ?? this.#usual;
    this.#usualMeasure = this.#usual.measure();
    this.#measure = this.#objective.name === this.#usual.name ? this.#usualMeasure : this.#objective.measure();
  }

  /**
   * Takes a batch in.
   * @throws {DiffrateError} if an answer is not a finite number.
   * @throws {RangeError} if lengths do not fit or a label is out of range; see `checkLabels` for a
   *   sentence that names the file.
   */
  add({ answers, reference, labels }: MetricBatch): void {
    const { size } = this.#answers;
    const images = answers.length / size;
    if (
      !Number.isInteger(images) ||
      (reference ?? answers).length !== answers.length ||
      (labels?.length ?? images) !== images
    ) {
      throw new RangeError(`${answers.length} answers of ${size} numbers do not fit the reference or the labels`);
    }
    requireFinite(answers);
    if (reference !== undefined) {
      this.#usualMeasure.add(answers, reference);
      if (this.#measure !== this.#usualMeasure) this.#measure.add(answers, reference);
    }
    if (labels !== undefined && classesOf(this.#answers) > 0)
      rowsOf(answers, size).forEach((row, image) => this.#score(row, labels[image] ?? -1));
    this.#images += images;
  }

  /** The means so far. */
  result(): Metrics {
    const labelled = this.#labelled;
    const usual = this.#usualMeasure.result();
    const { value } = this.#measure === this.#usualMeasure ? usual : this.#measure.result();
    const { name, unit } = this.#objective;
    return {
      images: this.#images,
      objective: value === null ? null : { name, value, unit },
      top1: labelled === 0 ? null : (100 * this.#first) / labelled,
      top5: labelled === 0 || this.#answers.size <= 5 ? null : (100 * this.#firstFive) / labelled,
      loss: labelled === 0 ? null : this.#loss / labelled,
      agreement: usual.agreement ?? null,
      kl: this.#usual.name === 'classDivergence' ? usual.value : null,
      featureDistance: this.#usual.name === 'featureDistance' ? usual.value : null,
      neighbourAgreement: usual.neighbourAgreement ?? null,
    };
  }

  /** Counts an image that has a label. */
  #score(row: Float32Array, label: number): void {
    if (label === -1) return;
    const own = row[label];
    if (own === undefined) throw new RangeError(`label ${label} is not one of ${row.length} classes`);
    const rank = rankOf(row, label, own);
    this.#labelled += 1;
    if (rank === 0) this.#first += 1;
    if (rank < 5) this.#firstFive += 1;
    this.#loss += logSumExp(row) - own;
  }
}

/**
 * How many classes come before this one; of equal logits the lower index comes first, as in a
 * stable sort.
 */
function rankOf(row: Float32Array, label: number, own: number): number {
  let rank = 0;
  for (let index = 0; index < row.length; index++) {
    const value = row[index] ?? 0;
    if (value > own || (value === own && index < label)) rank += 1;
  }
  return rank;
}
