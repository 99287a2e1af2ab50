/**
 * Which images of a source are copies of others: a search on one image and its copies under other
 * names is a search on one image.
 */
import type { SkippedImage } from './batches.ts';
import { sha256 } from './digest.ts';
import type { ImageSource, SourceImage } from './image-source.ts';

/** Copies are looked for among so many images; those of larger sources are not read for it. */
const mostImages = 4096;

/** Images that are read at once. */
const readTogether = 16;

/** By its content; the file's name where the image cannot be read, which is told of elsewhere. */
export type ImageDigests = ReadonlyMap<string, string>;

const known = new WeakMap<readonly SourceImage[], Promise<ImageDigests | undefined>>();

/**
 * Digests of the images' content, by file. They are computed once for a list of images.
 * @returns `undefined` for more images than are looked at.
 */
export function imageDigests(source: ImageSource): Promise<ImageDigests | undefined> {
  const found = known.get(source.images) ?? readDigests(source);
  known.set(source.images, found);
  return found;
}

/** How many of a source's images there are, and how many are different, as far as that is known. */
export interface ImageCount {
  readonly given: number;
  readonly different: number;
  /** Images beside these that could not be decoded, as far as that is known; default 0. */
  readonly undecodable?: number;
}

/**
 * Counts copies once.
 * @param skipped images that could not be decoded, which do not count.
 */
export async function countImages(
  source: ImageSource,
  skipped: readonly Pick<SkippedImage, 'file'>[] = [],
): Promise<ImageCount> {
  const left = new Set(skipped.map(({ file }) => file));
  const images = source.images.filter(({ file }) => !left.has(file));
  const given = images.length;
  const digests = await imageDigests(source);
  const different = digests === undefined ? given : new Set(images.map(({ file }) => digests.get(file))).size;
  return { given, different, ...(left.size > 0 && { undecodable: source.images.length - given }) };
}

async function readDigests(source: ImageSource): Promise<ImageDigests | undefined> {
  if (source.images.length > mostImages) return undefined;
  const digests = new Map<string, string>();
  for (let start = 0; start < source.images.length; start += readTogether) {
    const images = source.images.slice(start, start + readTogether);
    const found = await Promise.all(images.map((image) => digestOf(source, image).catch(() => `file ${image.file}`)));
    for (const [index, { file }] of images.entries()) digests.set(file, found[index] ?? file);
  }
  return digests;
}

async function digestOf(source: ImageSource, image: SourceImage): Promise<string> {
  if (source.digestOf !== undefined) return source.digestOf(image);
  const { data, width, height } = await source.decode(image);
  return `${width}x${height} ${(await sha256(Uint8Array.from(data))).join('.')}`;
}

/** Below so many different images the figures on them say little of others. */
const fewImages = 32;

/** Whether a search on so many images says little of others. */
export const isFew = ({ different }: ImageCount): boolean => different < fewImages;

/**
 * What is to be said of the images of a search, a sentence; `undefined` where there is nothing.
 * @returns of few images that the schedule can be worse on others, and of copies that they count
 *   once.
 */
export function searchImagesRemark({ given, different, undecodable = 0 }: ImageCount): string | undefined {
  const copies = given - different;
  const are = copies === 1 ? 'is a copy' : 'are copies';
  if (different >= fewImages) {
    if (copies === 0) return undefined;
    return `Of the ${given} images to search on, ${copies} ${are} of others, so that there are ${different}.`;
  }
  const images = `${different} ${copies === 0 ? '' : 'different '}image${different === 1 ? '' : 's'}`;
  const others = [
    ...(copies === 0 ? [] : [`${copies} more ${are}`]),
    ...(undecodable === 0 ? [] : [`${undecodable} more cannot be decoded`]),
  ];
  return (
    `There ${different === 1 ? 'is' : 'are'} only ${images} to search on${others.length === 0 ? '' : ` (${others.join(', ')})`}: ` +
    `on others the schedule can be much worse than figures on these say; give at least ${fewImages} different ones, better some hundred.`
  );
}
