/**
 * Images by libvips (`sharp`): everything but bitmaps and ordinary JPEGs. What libvips and Pillow
 * turn into RGB differently is taken raw and converted here. Of several pages or frames the first
 * is read; alpha is dropped and not blended; colour profiles are left alone.
 */
import type { Metadata, Sharp, SharpOptions } from 'sharp';
import type { DecodedImage } from '../decoded-image.ts';
import { decoderSentence } from './decoder-sentence.ts';
import { highBytes } from './high-bytes.ts';
import { checkPixels, mostPixels } from './pixel-limit.ts';

/** An image, not turned yet. */
export interface StoredImage {
  readonly image: DecodedImage;
  /** EXIF orientation, where the library has not turned it itself, as it does with AVIF. */
  readonly orientation?: number | undefined;
}

/**
 * libvips stops at what it cannot decode, such as compressions that it lacks, which would be black
 * otherwise. Of lesser things it keeps quiet, as Pillow does.
 */
const sharpOptions: SharpOptions = { ignoreIcc: true, failOn: 'error', limitInputPixels: mostPixels };

/** Of JPEGs only warnings tell that part of the picture is lost. */
const jpegOptions: SharpOptions = { ...sharpOptions, failOn: 'warning' };

/**
 * Decodes an image.
 * @param kind what sentences call it.
 * @throws Error with the reason in one line.
 */
export async function decodeWithLibvips(bytes: Uint8Array, kind: string): Promise<StoredImage> {
  const { default: sharp } = await import('sharp');
  const options = kind === 'JPEG' ? jpegOptions : sharpOptions;
  const metadata = await named(kind, sharp(bytes, options).metadata());
  checkPixels(metadata.width, metadata.height);
  const image = await named(kind, pixelsOf(sharp(bytes, options), metadata));
  return { image, orientation: metadata.orientation };
}

/**
 * A JPEG of one or three components at an eighth, a quarter or half of its size, each side rounded
 * up. libjpeg computes so many of each block's pixels only, from its lowest frequencies.
 * @param bytes of a JPEG both sides of which are multiples of 8, so that nothing is resized.
 */
export async function decodeShrunkJpeg(
  bytes: Uint8Array,
  { width, height }: { readonly width: number; readonly height: number },
): Promise<DecodedImage> {
  const { default: sharp } = await import('sharp');
  const options = { ...jpegOptions, limitInputPixels: false };
  const pipeline = sharp(bytes, options).resize({ width, height, fit: 'fill', fastShrinkOnLoad: true });
  return named('JPEG', coloursOf(pipeline));
}

/** Libvips's sentences are long and of several lines. */
async function named<Result>(kind: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof UnsupportedSamples) throw error;
    throw new Error(decoderSentence(error instanceof Error ? error.message : String(error), kind), { cause: error });
  }
}

/** Said by this file and not by libvips. */
class UnsupportedSamples extends Error {}

function pixelsOf(pipeline: Sharp, { space, depth }: Metadata): Promise<DecodedImage> {
  if (depth !== 'uchar' && depth !== 'ushort') {
    throw new UnsupportedSamples(`its numbers are of the type ${depth}: save it with 8 or 16 bits per colour`);
  }
  if (space === 'cmyk') return inksOf(pipeline, depth);
  if (depth === 'ushort') return highBytesOf(pipeline, space);
  return coloursOf(pipeline);
}

async function coloursOf(pipeline: Sharp): Promise<DecodedImage> {
  const { data, info } = await pipeline.removeAlpha().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new UnsupportedSamples(`it has ${info.channels} colours per pixel`);
  return { data, width: info.width, height: info.height, channels: 3 };
}

async function highBytesOf(pipeline: Sharp, space: string): Promise<DecodedImage> {
  const wide = space === 'grey16' || space === 'b-w' ? 'grey16' : 'rgb16';
  const { data, info } = await pipeline
    .removeAlpha()
    .toColourspace(wide)
    .raw({ depth: 'ushort' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels !== 1 && channels !== 3) throw new UnsupportedSamples(`it has ${channels} colours per pixel`);
  const high = highBytes(shortsOf(data));
  const colours = channels === 3 ? high.data : greyInColour(high.data);
  return { data: colours, width, height, channels: 3, warning: high.warning };
}

function greyInColour(grey: Uint8Array): Uint8Array {
  const colours = new Uint8Array(3 * grey.length);
  for (let pixel = 0; pixel < grey.length; pixel++) colours.fill(grey[pixel]!, 3 * pixel, 3 * pixel + 3);
  return colours;
}

const shortsOf = (data: Buffer): Uint16Array => new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);

/** Pillow's CMYK to RGB: `(255 − K) − C · (255 − K) / 255`, the division rounded. */
async function inksOf(pipeline: Sharp, depth: 'uchar' | 'ushort'): Promise<DecodedImage> {
  const { data, info } = await pipeline
    .pipelineColourspace('cmyk')
    .toColourspace('cmyk')
    .raw({ depth })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels < 4) throw new UnsupportedSamples(`it has ${channels} inks`);
  const inks: Uint8Array = depth === 'uchar' ? data : highBytes(shortsOf(data)).data;
  const colours = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const from = pixel * channels;
    const light = 255 - inks[from + 3]!;
    for (let channel = 0; channel < 3; channel++)
      colours[pixel * 3 + channel] = light - Math.round((inks[from + channel]! * light) / 255);
  }
  return { data: colours, width, height, channels: 3 };
}
