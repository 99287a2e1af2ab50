/** The images of a measurement, as summary, model card and report name them. */
import { basename } from 'node:path';
import type { SkippedImage } from '../data/batches.ts';
import { countImages, imageDigests } from '../data/different-images.ts';
import type { ImageSource, SourceImage } from '../data/image-source.ts';

/**
 * `500 images of photos (480 different, 20 of them searched on)`: copies count once, and figures on
 * the images of the search itself are marked so.
 * @param count those that could be read.
 * @param searched what the schedule was searched on.
 * @param skipped images that could not be read.
 */
export async function imagesInWords(
  count: number,
  images: ImageSource,
  searched: ImageSource | undefined,
  skipped: readonly SkippedImage[] = [],
): Promise<string> {
  const { given, different } = await countImages(images, skipped);
  const left = new Set(skipped.map(({ file }) => file));
  const common =
    searched === undefined ? 0 : (await imagesInCommon(images, searched)).filter(({ file }) => !left.has(file)).length;
  const remarks = [
    ...(different < given ? [`${different} different`] : []),
    ...(common === 0 ? [] : [common === given ? 'searched on' : `${common} of them searched on`]),
  ];
  const words = `${count} image${count === 1 ? '' : 's'} of ${basename(images.name)}`;
  return remarks.length === 0 ? words : `${words} (${remarks.join(', ')})`;
}

/** Which images were searched on: the same file, or one of the same content elsewhere. */
async function imagesInCommon(images: ImageSource, searched: ImageSource): Promise<readonly SourceImage[]> {
  const [own, others] = [await imageDigests(images), await imageDigests(searched)];
  if (own !== undefined && others !== undefined) {
    const found = new Set(others.values());
    return images.images.filter(({ file }) => found.has(own.get(file) ?? ''));
  }
  if (images !== searched && (await images.identity()) !== (await searched.identity())) return [];
  const files = new Set(searched.images.map(({ file }) => file));
  return images.images.filter(({ file }) => files.has(file));
}
