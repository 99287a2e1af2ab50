/**
 * An objective says what "the same answers" means: how far the answers of a changed network are
 * from those of the plain one. Search, local search, fine-tuning and evaluation all ask the same
 * one.
 */
import type { Tensor } from '../graph/tensor.ts';

/** What a network gives per image, as objectives see it. */
export interface Answers {
  /**
   * Logits of exclusive classes, logits of labels of which any number may hold, numbers of a
   * regression, or features.
   */
  readonly kind: 'classes' | 'labels' | 'values' | 'features';
  /** Numbers per image, D. */
  readonly size: number;
}

/**
 * One meaning of "the same answers", for answers of D numbers and targets of T numbers per image.
 */
export interface Objective {
  /** Its name in the list of objectives and in options. */
  readonly name: string;
  /** What is measured, in words for reports. */
  readonly title: string;
  /** Unit of what `measure` gives, in words. */
  readonly unit: string;
  /** Numbers per target, T. */
  readonly targetSize: number;
  /**
   * Targets `[n, T]` of the plain network's answers `[n, D]`.
   * @throws {DiffrateError} where an answer is no finite number.
   */
  targets(answers: Float32Array): Float32Array;
  /**
   * Targets `[n, T]` of class indices `[n]`; absent where labels are no targets.
   * @throws {RangeError} where a label is none of the classes.
   */
  labelTargets?(labels: Int32Array): Float32Array;
  /**
   * This objective in a scale that follows from the plain network's answers `[n, D]`. Absent where
   * the objective has no scale of its own. Called once, with the answers on the calibration images.
   * @throws {DiffrateError} where an answer is no finite number.
   */
  fitted?(answers: Float32Array): Objective;
  /**
   * The loss in a graph, mean over images: answers `[B, D]` and targets `[B, T]` to a scalar. Its
   * gradient reaches the answers.
   */
  loss(answers: Tensor, targets: Tensor): Tensor;
  /**
   * What is left of the loss when all answers are right, for targets `[n, T]`: `loss − floor` is
   * the mean distance.
   */
  floor(targets: Float32Array): number;
  /**
   * Distance of one image's answer `[D]` from its target `[T]`, ≥ 0, computed in float64. Where the
   * answer is not finite it is NaN or infinite: such a network is no candidate, but others may be.
   */
  distance(target: Float32Array, answer: Float32Array): number;
  /** Makes a sum over many images of how far a network is from the plain one. */
  measure(): Measure;
}

/** A sum over images. */
export interface Measure {
  /**
   * Takes images in.
   * @param answers of the changed network, `[n, D]`.
   * @param reference of the plain network on the same images, `[n, D]`.
   * @throws {DiffrateError} where an answer is no finite number.
   * @throws {RangeError} where lengths do not fit.
   */
  add(answers: Float32Array, reference: Float32Array): void;
  /** The result for the images so far. */
  result(): MeasureResult;
}

/** What a measure found. */
export interface MeasureResult {
  /** In the objective's unit; `null` before there is anything to tell. */
  readonly value: number | null;
  /** Equal decisions in percent; absent where nothing is decided, `null` before the first image. */
  readonly agreement?: number | null;
  /**
   * Images with the same nearest other image, in percent; absent where answers are no features,
   * `null` with fewer than 3 images.
   */
  readonly neighbourAgreement?: number | null;
}
