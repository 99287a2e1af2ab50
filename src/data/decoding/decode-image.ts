/**
 * Image files to 8-bit RGB: the one way for search, evaluation, pictures and training. Pixels are
 * those of Pillow's `Image.open(file).convert('RGB')`, turned as the EXIF orientation says;
 * `docs/images.md` lists each format, and where it differs.
 */
import { readFile } from 'node:fs/promises';
import { DiffrateError, messageOf } from '../../errors.ts';
import type { DecodedImage } from '../decoded-image.ts';
import { decodeBitmap } from './bitmap.ts';
import type { DecodingOptions } from './decoding-options.ts';
import { decoderSentence } from './decoder-sentence.ts';
import { decodeJpegExactly } from './exact-jpeg.ts';
import { imageKindOf } from './file-kind.ts';
import { entropyFault } from './jpeg-entropy.ts';
import { readJpegLayout } from './jpeg-markers.ts';
import type { JpegFrame } from './jpeg-markers.ts';
import { decodeWithLibvips } from './libvips.ts';
import type { StoredImage } from './libvips.ts';
import { swapsSides, turned } from './orientation.ts';
import { checkJpegContent, checkPixels, checkPngContent } from './pixel-limit.ts';
import { decodeReducedJpeg, reductionFor } from './reduced-jpeg.ts';
import type { WantedSize } from './reduced-jpeg.ts';

/**
 * Decodes an image file's content.
 * @param wanted what a network reads of it; without this, large JPEGs are decoded whole, too.
 * @returns RGB, or RGBA with an alpha to be ignored.
 * @throws Error whose message is the reason, a clause of one line, if the bytes are no image, are
 *   cut short, damaged or of an unsupported kind.
 */
export async function decodeImage(
  bytes: Uint8Array,
  options: DecodingOptions = {},
  wanted?: WantedSize,
): Promise<DecodedImage> {
  const { image, orientation } = await decodeStored(bytes, options, wanted);
  return options.ignoreOrientation === true ? image : turned(image, orientation);
}

/**
 * Reads and decodes an image file.
 * @throws DiffrateError naming the file and the reason.
 */
export async function decodeImageFile(
  file: string,
  options: DecodingOptions = {},
  wanted?: WantedSize,
): Promise<DecodedImage> {
  try {
    return await decodeImage(await readFile(file), options, wanted);
  } catch (error) {
    throw new DiffrateError(`Cannot decode the image '${file}' (${messageOf(error)}): replace or remove it.`);
  }
}

async function decodeStored(bytes: Uint8Array, options: DecodingOptions, wanted?: WantedSize): Promise<StoredImage> {
  const kind = imageKindOf(bytes);
  if (kind === 'BMP') return { image: decodeBitmap(bytes) };
  if (kind === 'JPEG') return decodeJpeg(bytes, options, wanted);
  if (kind === 'PNG') checkPngContent(bytes);
  const { image, orientation } = await decodeWithLibvips(bytes, kind);
  // Pillow turns these by itself, so that torchvision has them upright, too.
  return kind === 'TIFF' ? { image: turned(image, orientation) } : { image, orientation };
}

async function decodeJpeg(
  bytes: Uint8Array,
  { decoder = 'auto', ignoreOrientation = false }: DecodingOptions,
  wanted?: WantedSize,
): Promise<StoredImage> {
  const { complete, frame, orientation } = readJpegLayout(bytes);
  if (!complete) throw new Error('the JPEG is cut short');
  if (frame === undefined) throw new Error('the JPEG is damaged: it has no frame header');
  const { width, height } = frame;
  checkProcess(frame);
  if (frame.process <= 2) checkJpegContent(width, height, bytes.length);
  if (!isForMozJpeg(frame)) {
    const { image } = await decodeWithLibvips(bytes, 'JPEG');
    return { image, orientation };
  }
  // The same for both decoders, one of which does not hear of most damage.
  const fault = entropyFault(bytes);
  if (fault !== undefined) throw new Error(decoderSentence(fault, 'JPEG'));
  if (decoder === 'auto' && wanted !== undefined) {
    const swapped = !ignoreOrientation && swapsSides(orientation ?? 1);
    const upright = swapped ? { width: height, height: width } : { width, height };
    const divisor = reductionFor(upright, wanted);
    checkPixels(width / divisor, height / divisor);
    const image = divisor > 1 ? await decodeReducedJpeg(bytes, frame, divisor).catch(() => undefined) : undefined;
    // A file that does not go through this way has its reason, or its pixels, by the other.
    if (image !== undefined) return { image, orientation };
  }
  checkPixels(width, height);
  return { image: await decodeJpegExactly(bytes), orientation };
}

/**
 * MozJPEG in WebAssembly neither converts CMYK nor reads arithmetic coding, and repeats chroma
 * where it is sampled less often downwards only (4:4:0), where libjpeg-turbo smooths it.
 */
function isForMozJpeg({ process, components, sampling }: JpegFrame): boolean {
  if (process > 2) return false;
  return components === 1 || (components === 3 && (sampling.down === 1 || sampling.across > 1));
}

/** @throws Error with the reason, where no decoder knows that kind of JPEG. */
function checkProcess({ process, precision }: JpegFrame): void {
  if (process === 3 || process === 11) throw new Error('it is a lossless JPEG, which is not read: save it as PNG');
  if (process > 2 && process !== 9 && process !== 10)
    throw new Error('it is a hierarchical JPEG, which is not read: save it as an ordinary one');
  if (precision !== 8)
    throw new Error(`it is a JPEG of ${precision} bits per colour, which is not read: save it with 8 bits`);
}
