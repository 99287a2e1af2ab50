/**
 * Image files to 8-bit RGB, as Pillow's `Image.open(file).convert('RGB')` answers: no EXIF
 * rotation, no colour management, alpha dropped and not blended, 16-bit grey clipped at 255, 16-bit
 * colour cut to its high byte. JPEGs go through MozJPEG in WebAssembly (`@jsquash/jpeg`, equal to
 * Pillow's pixels bit for bit) unless asked otherwise; the rest through libvips (`sharp`), bitmaps
 * through an own reader.
 */

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import decodeJpeg, { init as initJpegDecoder } from '@jsquash/jpeg/decode.js';
import type { SharpOptions } from 'sharp';
import { DiffrateError, messageOf } from '../errors.ts';
import { decodeBitmap, isBitmap } from './bitmap.ts';
import type { ImageDecoder } from './image-decoder.ts';
import { isJpeg, readJpegLayout } from './jpeg-markers.ts';
import type { RgbImage } from './pillow-resize.ts';

/**
 * libvips stops at files that are cut short and keeps quiet about lesser blemishes, as Pillow does.
 */
const SHARP_OPTIONS: SharpOptions = { ignoreIcc: true, failOn: 'truncated' };

/**
 * Decodes an image file's content.
 * @returns RGB, or RGBA with an alpha to be ignored.
 * @throws Error whose message is the reason, if the bytes are no image, are cut short or of an
 *   unsupported kind.
 */
export async function decodeImage(bytes: Uint8Array, decoder: ImageDecoder = 'exact'): Promise<RgbImage> {
  if (bytes.length === 0) throw new Error('the file is empty');
  if (isBitmap(bytes)) return decodeBitmap(bytes);
  if (isJpeg(bytes)) {
    const { components, complete } = readJpegLayout(bytes);
    if (!complete) throw new Error('the JPEG is cut short');
    // MozJPEG does not convert CMYK.
    if (components !== 4) return decoder === 'exact' ? decodeJpegExactly(bytes) : decodeColours(bytes);
  }
  return decodeAnything(bytes);
}

/**
 * Reads and decodes an image file.
 * @throws DiffrateError naming the file and the reason.
 */
export async function decodeImageFile(file: string, decoder: ImageDecoder = 'exact'): Promise<RgbImage> {
  try {
    return await decodeImage(await readFile(file), decoder);
  } catch (error) {
    throw new DiffrateError(`Cannot decode the image '${file}' (${messageOf(error)}): replace or remove it.`);
  }
}

let jpegDecoder: Promise<void> | undefined;
let compiledDecoder: WebAssembly.Module | undefined;
/** What MozJPEG printed while decoding the present image. */
let jpegMessages: string[] = [];

async function startJpegDecoder(): Promise<void> {
  if (compiledDecoder === undefined) {
    const wasm = createRequire(import.meta.url).resolve('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm');
    compiledDecoder = await WebAssembly.compile(await readFile(wasm));
  }
  const compiled = compiledDecoder;
  const options = {
    noInitialRun: true,
    instantiateWasm: (imports: WebAssembly.Imports, ready: (instance: WebAssembly.Instance) => void) => {
      const instance = new WebAssembly.Instance(compiled, imports);
      ready(instance);
      return instance.exports;
    },
    printErr: (message: string) => jpegMessages.push(message),
  };
  await initJpegDecoder(options);
}

async function decodeJpegExactly(bytes: Uint8Array): Promise<RgbImage> {
  await (jpegDecoder ??= startJpegDecoder());
  jpegMessages = [];
  try {
    // The decoder takes any byte array although its type asks for a buffer; a view of a larger
    // buffer needs no copy.
    const { data, width, height } = await decodeJpeg(bytes as unknown as ArrayBuffer);
    if (jpegMessages.some((message) => message.startsWith('Premature end of JPEG file'))) {
      throw new Error('the JPEG is cut short');
    }
    return { data, width, height, channels: 4 };
  } catch (error) {
    // After a fatal error the instance may hold half-freed state: the next image gets a new one.
    jpegDecoder = undefined;
    throw new Error(jpegMessages.at(-1) ?? messageOf(error), { cause: error });
  }
}

/**
 * Any kind of picture: those that libvips and Pillow turn into RGB differently are taken raw and
 * converted here.
 */
async function decodeAnything(bytes: Uint8Array): Promise<RgbImage> {
  const { default: sharp } = await import('sharp');
  const { space, channels } = await sharp(bytes, SHARP_OPTIONS).metadata();
  if (space === 'cmyk') {
    const pipeline = sharp(bytes, SHARP_OPTIONS).pipelineColourspace('cmyk').toColourspace('cmyk');
    const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
    return { data: inksToRgb(data), width: info.width, height: info.height, channels: 3 };
  }
  if (space === 'grey16' && channels === 1) {
    const pipeline = sharp(bytes, SHARP_OPTIONS).toColourspace('grey16');
    const { data, info } = await pipeline.raw({ depth: 'ushort' }).toBuffer({ resolveWithObject: true });
    const values = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
    return { data: clipGrey(values), width: info.width, height: info.height, channels: 3 };
  }
  return decodeColours(bytes);
}

async function decodeColours(bytes: Uint8Array): Promise<RgbImage> {
  const { default: sharp } = await import('sharp');
  const pipeline = sharp(bytes, SHARP_OPTIONS).removeAlpha().toColourspace('srgb');
  const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`images of ${info.channels} channels are not supported`);
  return { data, width: info.width, height: info.height, channels: 3 };
}

/** Pillow's CMYK to RGB: `(255 − K) − C · (255 − K) / 255`, the division rounded. */
function inksToRgb(inks: Uint8Array): Uint8Array {
  const pixels = inks.length / 4;
  const data = new Uint8Array(pixels * 3);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const light = 255 - inks[pixel * 4 + 3]!;
    for (let channel = 0; channel < 3; channel++) {
      data[pixel * 3 + channel] = light - Math.round((inks[pixel * 4 + channel]! * light) / 255);
    }
  }
  return data;
}

/** Pillow's `I;16` to RGB: values above 255 are white. */
function clipGrey(values: Uint16Array): Uint8Array {
  const data = new Uint8Array(values.length * 3);
  for (const [pixel, value] of values.entries()) data.fill(Math.min(value, 255), pixel * 3, pixel * 3 + 3);
  return data;
}
