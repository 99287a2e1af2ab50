/**
 * What a network is compared with: smoothed labels, or the answers of the uncompressed network on
 * the very same images, so that no label is needed and the loss starts at 0.
 */
import { onlyFlips } from '../data/augmentation.ts';
import type { ImageAugmentation } from '../data/augmentation.ts';
import type { ImageBatch } from '../data/batches.ts';
import { drawMix, mixPixels, mixTargets, smoothTargets } from '../data/mixing.ts';
import type { MixingOptions } from '../data/mixing.ts';
import { RandomGenerator } from '../data/random.ts';
import { DiffrateError } from '../errors.ts';
import type { Objective } from '../objectives/objective.ts';
import { imageKey } from './teacher.ts';
import type { Teacher } from './teacher.ts';

/** What a network is compared with: the folder's labels, or its own uncompressed answers. */
export type TargetKind = 'labels' | 'teacher';

/** Pixels as the network gets them, and what it should answer. */
export interface TargetedBatch {
  /** Normalised, `[B, channels, height, width]`. */
  readonly pixels: Float32Array;
  readonly shape: readonly [number, number, number, number];
  /** `[B, T]` of the objective. */
  readonly targets: Float32Array;
}

/** The part of a recipe that targets depend on. */
export interface TargetRecipe {
  readonly augmentation: ImageAugmentation;
  readonly mixing: MixingOptions;
  readonly labelSmoothing: number;
}

/** Gives batches their targets. */
export class SoftTargets {
  readonly #recipe: TargetRecipe;
  readonly #objective: Objective;
  readonly #random: RandomGenerator;
  readonly #teacher: Teacher | undefined;

  /**
   * @param objective that compares answers with targets.
   * @param teacher who is asked; without one labels are the targets.
   * @throws {DiffrateError} where the objective has no targets of labels.
   */
  constructor(recipe: TargetRecipe, objective: Objective, seed: number, teacher: Teacher | undefined) {
    if (teacher === undefined) requireLabelTargets(objective);
    this.#recipe = recipe;
    this.#objective = objective;
    this.#random = new RandomGenerator(seed).fork('mixing');
    this.#teacher = teacher;
  }

  /** Mixes the batch as the recipe says (in place) and gives it targets. */
  async of(batch: ImageBatch): Promise<TargetedBatch> {
    const { pixels, shape, files, flipped } = batch;
    const [, channels, height, width] = shape;
    const mix = drawMix(this.#random.fork(batch.step), this.#recipe.mixing, width, height);
    mixPixels(pixels, { channels, height, width }, mix);
    if (this.#teacher === undefined) {
      if (batch.labels === undefined)
        throw new DiffrateError(
          'The image folder has no labels; compare with the uncompressed network, which needs none.',
        );
      const classes = this.#objective.targetSize;
      const smoothed = smoothTargets(batch.labels, classes, this.#recipe.labelSmoothing);
      return { pixels, shape, targets: mixTargets(smoothed, classes, mix) };
    }
    const keys = files.map((file, image) => imageKey(file, flipped[image] === true));
    const answers = await this.#teacher.answers(pixels, this.#repeats() ? keys : undefined);
    return { pixels, shape, targets: this.#objective.targets(answers) };
  }

  /** Whether an image comes back as it was, or mirrored, in later epochs. */
  #repeats(): boolean {
    const { augmentation, mixing } = this.#recipe;
    return onlyFlips(augmentation) && mixing.mixup === 0 && mixing.cutmix === 0;
  }
}

/**
 * Checks that labels can be targets.
 * @throws {DiffrateError} where they cannot.
 */
export function requireLabelTargets({ name, labelTargets }: Objective): void {
  if (labelTargets !== undefined) return;
  throw new DiffrateError(`Labels are no targets of ${name}; compare with the uncompressed network, which needs none.`);
}
