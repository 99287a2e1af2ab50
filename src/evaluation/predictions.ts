/**
 * What two networks say of each image, side by side: the most likely class of a classifier, or the
 * labels that hold where any number may. Kept while networks are evaluated, so that nothing runs
 * twice; a few numbers per image.
 */
import { rowsOf } from '../objectives/answer-rows.ts';
import type { Answers, Objective } from '../objectives/objective.ts';
import { objectiveFor } from '../objectives/registry.ts';
import { softmaxRows } from '../objectives/softmax.ts';
import type { SourceImage } from '../data/image-source.ts';
import type { VariantAnswers } from './evaluation-options.ts';

/** A class, and how likely a network takes it to be. */
export interface Guess {
  readonly class: number;
  /** From 0 to 1. */
  readonly probability: number;
}

/** What the networks say of an image. */
export interface ImagePrediction {
  /** Its name in the source. */
  readonly file: string;
  /** Its class, where the source is labelled. */
  readonly label: number | null;
  /** The uncompressed network's most likely class, or the labels that it says hold (maybe none). */
  readonly before: readonly Guess[];
  /** The compressed network's. */
  readonly after: readonly Guess[];
  /** How likely the compressed network takes what the uncompressed one names, in that order. */
  readonly kept: readonly Guess[];
  /** Distance of the two answers, in nats: KL of class probabilities, or of all labels. */
  readonly distance: number;
}

/** Whether answers of that kind name classes. */
export function namesClasses({ kind, size }: Answers): boolean {
  return (kind === 'classes' && size > 1) || (kind === 'labels' && size > 0);
}

/** Whether the two networks name other classes. */
export function isChanged({ before, after }: ImagePrediction): boolean {
  const classes = (guesses: readonly Guess[]): string =>
    guesses
      .map((guess) => guess.class)
      .sort((a, b) => a - b)
      .join();
  return classes(before) !== classes(after);
}

/** Collects predictions from the answers of an evaluation. */
export class PredictionRecord {
  readonly #images: readonly SourceImage[];
  readonly #answers: Answers;
  readonly #objective: Objective;
  readonly #compared: number;
  readonly #predictions: ImagePrediction[] = [];
  #plain: Float32Array | undefined;

  /**
   * @param images of the source that is evaluated, in its order.
   * @param compared position of the compressed network among the variants; the plain one is the
   *   first, 0.
   * @throws {RangeError} where such answers name no classes; see `namesClasses`.
   */
  constructor(images: readonly SourceImage[], answers: Answers, compared = 1) {
    if (!namesClasses(answers)) throw new RangeError(`${answers.kind} of size ${answers.size} name no classes`);
    this.#images = images;
    this.#answers = answers;
    this.#objective = objectiveFor(answers);
    this.#compared = compared;
  }

  /** Takes in what `onAnswers` of an evaluation gives: of each batch the plain network's first. */
  add({ variant, indices, answers }: VariantAnswers): void {
    if (variant === 0) this.#plain = answers;
    if (variant !== this.#compared || this.#plain === undefined) return;
    const { size } = this.#answers;
    const plain = this.#plain;
    const targets = rowsOf(this.#objective.targets(plain), size);
    const [plainRows, rows] = [rowsOf(plain, size), rowsOf(answers, size)];
    const [own, other] = [rowsOf(this.#probabilities(plain), size), rowsOf(this.#probabilities(answers), size)];
    for (const [position, index] of indices.entries()) {
      const image = this.#images[index];
      const [target, plainRow, row] = [targets[position], plainRows[position], rows[position]];
      if (image === undefined || target === undefined || plainRow === undefined || row === undefined) continue;
      const guesses = (classes: readonly number[], probabilities: readonly Float32Array[]): Guess[] =>
        classes.map((named) => ({ class: named, probability: probabilities[position]?.[named] ?? 0 }));
      const named = this.#named(plainRow);
      this.#predictions.push({
        file: image.file,
        label: image.label ?? null,
        before: guesses(named, own),
        after: guesses(this.#named(row), other),
        kept: guesses(named, other),
        distance: this.#objective.distance(target, row),
      });
    }
  }

  /** The predictions so far, in the order in which images were evaluated. */
  result(): readonly ImagePrediction[] {
    return this.#predictions;
  }

  #probabilities(answers: Float32Array): Float32Array {
    if (this.#answers.kind === 'classes') return softmaxRows(answers, this.#answers.size);
    return answers.map((logit) => 1 / (1 + Math.exp(-logit)));
  }

  /**
   * The most likely class, of equal ones the first; or labels more likely than not. Decided by the
   * logits, as agreement is.
   */
  #named(logits: Float32Array): number[] {
    if (this.#answers.kind === 'labels') {
      const holding = Array.from(logits.keys()).filter((label) => (logits[label] ?? 0) > 0);
      return holding.sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0));
    }
    return [logits.reduce((best, logit, index) => (logit > (logits[best] ?? 0) ? index : best), 0)];
  }
}
