/**
 * What the masked network is compared with: smoothed labels, or the outputs of the uncompressed network on the very same images,
 * so that no label is needed and the loss starts at 0.
 */
import { DiffrateError } from '../errors.ts';
import { onlyFlips } from '../data/augmentation.ts';
import type { ImageAugmentation } from '../data/augmentation.ts';
import type { ImageBatch } from '../data/batches.ts';
import { drawMix, mixPixels, mixTargets, smoothTargets } from '../data/mixing.ts';
import type { MixingOptions } from '../data/mixing.ts';
import { RandomGenerator } from '../data/random.ts';
import { lower } from '../graph/lower.ts';
import { softmax } from '../graph/operators/index.ts';
import { input } from '../graph/tensor.ts';
import { visionTransformer } from '../models/vision-transformer.ts';
import { floats } from '../runtime/runtime.ts';
import type { Runtime, RuntimeTensor, Session, SessionOptions } from '../runtime/runtime.ts';
import type { SearchedModel, TargetKind } from './search-options.ts';

/** Pixels as the network gets them, and what it should answer. */
export interface TargetedBatch {
  /** `[B, 3, S, S]` */
  readonly pixels: RuntimeTensor;
  /** `[B, classes]`, rows sum to 1. */
  readonly targets: RuntimeTensor;
  /** Mean entropy of the targets in nats: what is left of the cross-entropy when the answers are right. */
  readonly entropy: number;
}

/** The part of a recipe that targets depend on. */
export interface TargetRecipe {
  readonly augmentation: ImageAugmentation;
  readonly mixing: MixingOptions;
  readonly labelSmoothing: number;
}

/** Gives batches their targets. */
export class SoftTargets {
  readonly #kind: TargetKind;
  readonly #recipe: TargetRecipe;
  readonly #classes: number;
  readonly #random: RandomGenerator;
  readonly #teacher: Session | undefined;
  /** The teacher's answers by image and flip, where augmentation gives nothing else. */
  readonly #answers = new Map<string, Float32Array>();

  private constructor(
    kind: TargetKind,
    recipe: TargetRecipe,
    classes: number,
    seed: number,
    teacher: Session | undefined,
  ) {
    this.#kind = kind;
    this.#recipe = recipe;
    this.#classes = classes;
    this.#random = new RandomGenerator(seed).fork('mixing');
    this.#teacher = teacher;
  }

  /** Loads the teacher where there is to be one. */
  static async load(
    runtime: Runtime,
    model: SearchedModel,
    kind: TargetKind,
    recipe: TargetRecipe,
    seed: number,
    options: SessionOptions,
  ): Promise<SoftTargets> {
    const { configuration, parameters } = model;
    let teacher: Session | undefined;
    if (kind === 'teacher') {
      const { inputSize } = configuration;
      const pixels = input('pixel_values', 'float32', ['batch', 3, inputSize, inputSize]);
      const { logits } = visionTransformer(pixels, configuration, parameters, { classTokenOnlyLastBlock: true });
      teacher = await runtime.load(lower({ probabilities: softmax(logits) }, [pixels]), options);
    }
    return new SoftTargets(kind, recipe, configuration.classes, seed, teacher);
  }

  /** Mixes the batch as the recipe says (in place) and gives it targets. */
  async of(batch: ImageBatch): Promise<TargetedBatch> {
    const [count, , height, width] = batch.shape;
    const mix = drawMix(this.#random.fork(batch.step), this.#recipe.mixing, width, height);
    mixPixels(batch.pixels, width, height, mix);
    const pixels = floats(batch.pixels, batch.shape);
    let targets: Float32Array;
    if (this.#kind === 'labels') {
      if (batch.labels === undefined)
        throw new DiffrateError(
          'The image folder has no labels; compare with the uncompressed network, which needs none.',
        );
      targets = mixTargets(smoothTargets(batch.labels, this.#classes, this.#recipe.labelSmoothing), this.#classes, mix);
    } else if (this.#repeats()) {
      targets = await this.#remembered(batch);
    } else {
      targets = await this.#ask(pixels);
    }
    return { pixels, targets: floats(targets, [count, this.#classes]), entropy: meanEntropy(targets, count) };
  }

  /** Frees the teacher. */
  async dispose(): Promise<void> {
    await this.#teacher?.dispose();
  }

  /** Whether an image comes back as it was, or mirrored, in later epochs. */
  #repeats(): boolean {
    const { augmentation, mixing } = this.#recipe;
    return onlyFlips(augmentation) && mixing.mixup === 0 && mixing.cutmix === 0;
  }

  /** One image at a time, so that an answer does not depend on which others were known: a resumed run gets the same ones. */
  async #remembered(batch: ImageBatch): Promise<Float32Array> {
    const [count, channels, height, width] = batch.shape;
    const size = channels * height * width;
    const targets = new Float32Array(count * this.#classes);
    for (let image = 0; image < count; image++) {
      const key = `${batch.indices[image]}${batch.flipped[image] === true ? ' mirrored' : ''}`;
      let answer = this.#answers.get(key);
      if (answer === undefined) {
        answer = await this.#ask(
          floats(batch.pixels.subarray(image * size, (image + 1) * size), [1, channels, height, width]),
        );
        this.#answers.set(key, answer);
      }
      targets.set(answer, image * this.#classes);
    }
    return targets;
  }

  async #ask(pixels: RuntimeTensor): Promise<Float32Array> {
    const results = await (this.#teacher as Session).run({ pixel_values: pixels });
    return (results['probabilities'] as RuntimeTensor).data as Float32Array;
  }
}

function meanEntropy(targets: Float32Array, count: number): number {
  let sum = 0;
  for (const probability of targets) if (probability > 0) sum -= probability * Math.log(probability);
  return sum / count;
}
