/**
 * Calibration images in memory with their targets, in a random order: what schedules are compared
 * on, image by image.
 */
import { createImageLoader } from '../data/batches.ts';
import type { ImageBatch, SkippedImage } from '../data/batches.ts';
import type { DecodedImages } from '../data/decoded-images.ts';
import { shuffledSample } from '../data/image-sample.ts';
import type { ImageSource } from '../data/image-source.ts';
import type { Model } from '../networks/model.ts';
import { pixelCount } from './network-session.ts';

/**
 * Most memory for pixels, in bytes: a thousand images of 224 × 224. Of larger folders a random part
 * is taken.
 */
const pixelBytes = 640e6;

/** Images that are loaded together. */
const loadedTogether = 16;

/** Which images, and how they are read. */
export interface CalibrationSource {
  readonly model: Model;
  readonly images: ImageSource;
  readonly seed: number;
  readonly decoded?: DecodedImages | undefined;
  readonly strict?: boolean | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Images with the numbers that each of them should answer. */
export interface CalibrationImages {
  readonly images: number;
  /** `[images, channels, height, width]` */
  readonly pixels: Float32Array;
  /** What `answer` gave, `[images, width]`. */
  readonly answers: Float32Array;
  /** Images that could not be decoded. */
  readonly skipped: readonly SkippedImage[];
}

/**
 * Loads centre crops of the folder.
 * @param width numbers of an answer.
 * @param answer what to keep of each image beside its pixels: the plain network's answers, or its
 *   label, `[B, width]`.
 */
export async function loadCalibrationImages(
  { model, images: folder, seed, decoded, strict, onWarning }: CalibrationSource,
  width: number,
  answer: (batch: ImageBatch) => Promise<Float32Array>,
): Promise<CalibrationImages> {
  const imageSize = pixelCount(model.network.input);
  const room = Math.max(1, Math.floor(pixelBytes / (4 * imageSize)));
  const chosen = shuffledSample(folder.images, room, seed, 'calibration');
  const count = chosen.length;
  const loader = createImageLoader({
    source: { ...folder, images: chosen },
    preprocessing: model.preprocessing,
    batchSize: loadedTogether,
    ...(decoded === undefined ? {} : { decoded }),
    ...(strict === undefined ? {} : { strict }),
    ...(onWarning === undefined ? {} : { onWarning }),
  });
  const pixels = new Float32Array(count * imageSize);
  const answers = new Float32Array(count * width);
  let images = 0;
  try {
    for await (const batch of loader) {
      pixels.set(batch.pixels, images * imageSize);
      answers.set(await answer(batch), images * width);
      images += batch.indices.length;
    }
  } finally {
    await loader.close();
  }
  return {
    images,
    pixels: pixels.subarray(0, images * imageSize),
    answers: answers.subarray(0, images * width),
    skipped: loader.skipped,
  };
}
