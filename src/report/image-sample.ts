/** Which images of a folder are shown: some, chosen by seed. */
import type { SourceImage, ImageSource } from '../data/image-source.ts';
import { RandomGenerator } from '../data/random.ts';

/** The same images for the same folder, number and seed; all of them where there are no more. */
export function sampleImages({ images }: Pick<ImageSource, 'images'>, count: number, seed: number): SourceImage[] {
  const order = new RandomGenerator(seed).fork('pictures').permutation(images.length);
  return [...order.subarray(0, count)].sort((a, b) => a - b).flatMap((index) => images[index] ?? []);
}
