/** Which images of a folder are shown: some, chosen by seed. */
import { shuffledSample } from '../data/image-sample.ts';
import type { SourceImage, ImageSource } from '../data/image-source.ts';

/** The same images for the same folder, number and seed; all of them where there are no more. */
export function sampleImages({ images }: Pick<ImageSource, 'images'>, count: number, seed: number): SourceImage[] {
  const chosen = new Set(shuffledSample(images, count, seed, 'pictures'));
  return images.filter((image) => chosen.has(image));
}
