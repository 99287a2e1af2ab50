/**
 * Large JPEGs at a reduced size: libjpeg can compute a half, a quarter or an eighth of each block's
 * side alone, which is many times as quick. What is left is at least twice as large as what the
 * network reads, so that the resize that follows still decides what the network sees.
 * Pillow's `Image.thumbnail` works in the same way.
 */
import type { DecodedImage } from '../decoded-image.ts';
import { resizedSize } from '../preprocess.ts';
import type { ImageSize, Preprocessing } from '../preprocessing.ts';
import type { JpegFrame } from './jpeg-markers.ts';
import { decodeShrunkJpeg } from './libvips.ts';

/** What a network reads of an image. */
export type WantedSize = Pick<Preprocessing, 'resize' | 'resizeMode'>;

/** Both sides stay at least so many times as large as wanted. */
const margin = 2;
const divisors = [8, 4, 2] as const;
const blockSide = 8;

/** By how much the sides of an image can be divided, 1 if by nothing. */
export function reductionFor(image: ImageSize, wanted: WantedSize): number {
  const size = resizedSize(image, wanted);
  const ratio = Math.min(image.width / size.width, image.height / size.height);
  return divisors.find((divisor) => ratio >= margin * divisor) ?? 1;
}

/**
 * Decodes a Huffman-coded grey or colour JPEG of 8 bits; its orientation is left alone.
 * @throws Error with the reason, where it is cut short or damaged.
 */
export async function decodeReducedJpeg(
  bytes: Uint8Array,
  { width, height, sizeAt }: JpegFrame,
  divisor: number,
): Promise<DecodedImage> {
  // Blocks at the right and the bottom are stored whole. A header that counts all their pixels
  // changes nothing in how the file is read, and sides that the divisor divides need no resizing.
  const whole = { width: wholeBlocks(width), height: wholeBlocks(height) };
  const counted = new Uint8Array(bytes);
  const view = new DataView(counted.buffer);
  view.setUint16(sizeAt, whole.height);
  view.setUint16(sizeAt + 2, whole.width);
  const image = await decodeShrunkJpeg(counted, { width: whole.width / divisor, height: whole.height / divisor });
  const box = { left: 0, top: 0, right: width / divisor, bottom: height / divisor };
  return { ...cut(image, Math.ceil(box.right), Math.ceil(box.bottom)), reduced: { whole: { width, height }, box } };
}

const wholeBlocks = (side: number): number => Math.ceil(side / blockSide) * blockSide;

/** The upper left part, without what encoders put beside the picture. */
function cut(image: DecodedImage, width: number, height: number): DecodedImage {
  if (width === image.width && height === image.height) return image;
  const data = new Uint8Array(width * height * image.channels);
  const length = width * image.channels;
  for (let y = 0; y < height; y++) {
    const from = y * image.width * image.channels;
    data.set(image.data.subarray(from, from + length), y * length);
  }
  return { ...image, data, width, height };
}
