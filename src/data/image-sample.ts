/**
 * Some images of many, chosen by seed: for `limit`, for pictures, and wherever a part is to stand
 * for the whole. The same seed chooses the same images of the same list.
 */
import type { ImageSource, SourceImage } from './image-source.ts';
import { claimOf } from './labels/evidence.ts';
import { RandomGenerator } from './random.ts';

/**
 * Some images in a random order.
 * @param purpose makes samples of one seed differ: `ranking`, `pictures`.
 */
export function shuffledSample(
  images: readonly SourceImage[],
  count: number,
  seed: number,
  purpose: string,
): SourceImage[] {
  const order = new RandomGenerator(seed).fork(purpose).permutation(images.length);
  return [...order.subarray(0, count)].flatMap((index) => images[index] ?? []);
}

/**
 * Some images spread over the source, in its order. Where classes are known, or folders are, all
 * give equally many as far as they can; of each the images are random ones.
 */
export function spreadSample(source: Pick<ImageSource, 'images' | 'evidence'>, count: number, seed = 0): SourceImage[] {
  const { images, evidence } = source;
  if (count >= images.length) return [...images];
  const order = new RandomGenerator(seed).fork('sample').permutation(images.length);
  const seen = new Map<string, number>();
  const ranked = [...order].map((index, place) => {
    const image = images[index];
    const group = String(image?.label ?? claimOf(evidence, image?.file ?? '') ?? '');
    const rank = seen.get(group) ?? 0;
    seen.set(group, rank + 1);
    return { index, place, rank };
  });
  ranked.sort((a, b) => a.rank - b.rank || a.place - b.place);
  return ranked
    .slice(0, count)
    .map(({ index }) => index)
    .sort((a, b) => a - b)
    .flatMap((index) => images[index] ?? []);
}
