/**
 * From a decoded image to a network's input in training. The recipe's steps come in the order of
 * timm's `create_transform`: crop, flip, RandAugment, normalisation, random erasing. What an image
 * gets is drawn from its own fork of the seed, so that it does not depend on who loads it or when.
 */

import { drawFlip, mirror, randomPaddedCrop, randomResizedCrop } from './augmentation.ts';
import type { ImageAugmentation } from './augmentation.ts';
import type { DecodedImage } from './decoded-image.ts';
import type { ImageSlot } from './image-order.ts';
import type { RgbImage } from './pillow-resize.ts';
import { createNormalizer, resizeAndCrop, roundHalfEven } from './preprocess.ts';
import type { Preprocessing } from './preprocessing.ts';
import { randAugment } from './rand-augment/rand-augment.ts';
import { RandomGenerator } from './random.ts';
import { drawErasing, erase } from './random-erasing.ts';

/** Makes training views of images. */
export class ImageAugmenter {
  readonly #preprocessing: Preprocessing;
  readonly #augmentation: ImageAugmentation;
  readonly #random: RandomGenerator;
  readonly #normalize;
  /** timm fills what comes from outside an image with the mean colour. */
  readonly #fill: readonly [number, number, number];

  constructor(preprocessing: Preprocessing, augmentation: ImageAugmentation, seed: number) {
    this.#preprocessing = preprocessing;
    this.#augmentation = augmentation;
    this.#random = new RandomGenerator(seed);
    this.#normalize = createNormalizer(preprocessing);
    const [first = 0, second = first, third = first] = preprocessing.mean.map((mean) =>
      Math.min(255, roundHalfEven(255 * mean)),
    );
    this.#fill = [first, second, third];
  }

  /**
   * What is the same for an image in every epoch, and worth keeping: its centre crop, or all of it
   * where crops are random. `imageKey` names all that the result depends on.
   */
  prepare(image: DecodedImage): RgbImage {
    return this.#augmentation.randomResizedCrop ? image : resizeAndCrop(image, this.#preprocessing);
  }

  /**
   * Writes one view as floats `[channels, H, W]` into `target` at `offset`.
   * @param prepared what `prepare` gave; left as it is.
   * @returns whether it is a mirror image.
   */
  write(prepared: RgbImage, slot: ImageSlot, target: Float32Array, offset: number): boolean {
    const { randomResizedCrop: crops, cropPadding = 0, randAugment: strength, randomErasing = 0 } = this.#augmentation;
    const { crop, interpolation } = this.#preprocessing;
    const random = forkFor(this.#random, slot);
    const flip = drawFlip(random, this.#augmentation);
    let image = prepared;
    if (crops) image = randomResizedCrop(random, image, crop, interpolation, crops);
    else if (cropPadding > 0) image = randomPaddedCrop(random, image, cropPadding);
    if (strength) {
      const geometry = { interpolation, fill: this.#fill };
      image = randAugment(random.fork('rand-augment'), flip ? mirror(image) : image, strength, geometry);
    }
    this.#normalize(image, target, offset, flip && !strength);
    if (randomErasing > 0) {
      const erasing = random.fork('erasing');
      const region = drawErasing(erasing, crop.width, crop.height, randomErasing);
      if (region) erase(erasing, target, offset, { ...crop, channels: this.#preprocessing.mean.length }, region);
    }
    return flip;
  }
}

/**
 * Later repetitions of an image in an epoch have streams of their own.
 * The first has that of an epoch without repetitions.
 */
function forkFor(random: RandomGenerator, { epoch, index, repetition = 0 }: ImageSlot): RandomGenerator {
  const keys = repetition === 0 ? [epoch, index] : [epoch, index, repetition];
  return random.fork('augmentation', ...keys);
}
