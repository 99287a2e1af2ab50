/** Images that compression made a network see otherwise: which are shown, and how they look. */
import type { DecodedImages } from '../data/decoded-images.ts';
import type { ImageSource } from '../data/image-source.ts';
import type { RgbImage } from '../data/pillow-resize.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import { readCroppedImage } from '../data/read-image.ts';
import { DiffrateError } from '../errors.ts';
import { isChanged } from '../evaluation/predictions.ts';
import type { ImagePrediction } from '../evaluation/predictions.ts';

/** An image and what the networks say of it. */
export interface ChangedImage {
  readonly prediction: ImagePrediction;
  /** The image as the networks see it; `undefined` where it cannot be read any more. */
  readonly picture: RgbImage | undefined;
}

/** What changed of all images that both networks saw. */
export interface ChangedImages {
  /** Images that were compared. */
  readonly compared: number;
  /** How many of them changed. */
  readonly changed: number;
  /** Some of those, the largest distance first. */
  readonly shown: readonly ChangedImage[];
}

const mostShown = 8;

/** Where the images are. */
export interface ChangedImagesRequest {
  readonly predictions: readonly ImagePrediction[];
  readonly source: ImageSource;
  readonly preprocessing: Preprocessing;
  /** Where they may be decoded already. */
  readonly decoded?: DecodedImages | undefined;
}

/** Finds and reads the images whose predicted classes changed most. */
export async function changedImages(request: ChangedImagesRequest): Promise<ChangedImages> {
  const { predictions, source } = request;
  const changed = predictions.filter(isChanged).sort((a, b) => b.distance - a.distance);
  const images = new Map(source.images.map((image) => [image.file, image]));
  const shown: ChangedImage[] = [];
  for (const prediction of changed.slice(0, mostShown)) {
    const image = images.get(prediction.file);
    shown.push({ prediction, picture: image && (await pictureOf(request, image)) });
  }
  return { compared: predictions.length, changed: changed.length, shown };
}

async function pictureOf(
  { source, preprocessing, decoded }: ChangedImagesRequest,
  image: ImageSource['images'][number],
): Promise<RgbImage | undefined> {
  try {
    return await readCroppedImage(source, image, preprocessing, { decoded });
  } catch (error) {
    // It was read before: somebody has taken it away since, and the words still hold.
    if (!(error instanceof DiffrateError)) throw error;
    return undefined;
  }
}
