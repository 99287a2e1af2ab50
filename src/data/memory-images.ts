/**
 * Images in memory as a source: arrays of bytes, or what a canvas gives (`ImageData`). They are
 * prepared in this thread, by the same code as files are in theirs, in Node and in a browser.
 */
import { DiffrateError } from '../errors.ts';
import { sha256 } from './digest.ts';
import { ImageAugmenter } from './image-augmenter.ts';
import type { ImageSlot } from './image-order.ts';
import type { ImageReader, ImageSource, ReadImages, ReadingOptions, SourceImage } from './image-source.ts';
import type { RgbImage } from './pillow-resize.ts';
import { valuesPerImage } from './preprocessing.ts';

/** An image in memory: grey, RGB or RGBA, whose alpha is ignored. An `ImageData` is one. */
export interface MemoryImage {
  /** `[height, width, channels]`, 8 bits each, rows from top to bottom; 1, 3 or 4 channels. */
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** What sentences call it, default `image N` with N from 0. */
  readonly name?: string | undefined;
  /** Class number; images without one are calibrated on, and left out of accuracies. */
  readonly label?: number | undefined;
}

/** Prepared images are kept up to so many bytes; the others are prepared again in every epoch. */
const keptBytes = 512 * 2 ** 20;

/**
 * Images in memory as a source. Their memory is read when a batch is: do not change it meanwhile.
 * @param name what sentences call them all.
 * @throws {DiffrateError} where there are none, bytes do not fit width and height, two have one
 *   name, or a label is no whole number from 0.
 */
export function memoryImages(images: readonly MemoryImage[], name = 'images in memory'): ImageSource {
  if (!Array.isArray(images))
    throw new DiffrateError('Images in memory are a list: give [{ data, width, height }, …].');
  if (images.length === 0) throw new DiffrateError(`There are no images in '${name}': give at least one.`);
  const byFile = new Map<string, RgbImage>();
  const listed = images.map((image, index): SourceImage => {
    // Callers without types may have anything in their list.
    if (typeof image !== 'object' || image === null)
      throw new DiffrateError(`Image ${index} of '${name}' is ${String(image)}: give { data, width, height }.`);
    const file = image.name ?? `image ${index}`;
    if (byFile.has(file))
      throw new DiffrateError(`Two images of '${name}' are called '${file}': name them differently.`);
    byFile.set(file, colourImage(image, file, name));
    return { file, ...(image.label === undefined ? {} : { label: checkedLabel(image.label, file, name) }) };
  });
  const labelled = listed.filter(({ label }) => label !== undefined).length;
  const decode = ({ file }: SourceImage): RgbImage => {
    const image = byFile.get(file);
    if (image === undefined) throw new DiffrateError(`There is no image '${file}' in '${name}'.`);
    return image;
  };
  return {
    name,
    images: listed,
    labelled: labelled > 0,
    labelling:
      labelled > 0 ? { origin: 'memory', how: 'given with them' } : { origin: 'none', how: 'as none are given' },
    identity: () => contentOf(listed.map(decode)),
    open: (options) => openMemoryReader(decode, options),
    decode: (image) => Promise.resolve(decode(image)),
  };
}

function checkedLabel(label: number, file: string, name: string): number {
  if (Number.isSafeInteger(label) && label >= 0) return label;
  throw new DiffrateError(`'${file}' of '${name}' has the label ${label}: a label must be an integer from 0.`);
}

/** The image as RGB or RGBA. */
function colourImage({ data, width, height }: MemoryImage, file: string, name: string): RgbImage {
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new DiffrateError(
      `'${file}' of '${name}' must have its pixels as bytes: give them as a Uint8Array or a Uint8ClampedArray, from 0 to 255.`,
    );
  }
  const pixels = width * height;
  if (![width, height].every((side) => Number.isSafeInteger(side) && side >= 1)) {
    throw new DiffrateError(
      `'${file}' of '${name}' is ${width} × ${height} pixels: both must be whole numbers from 1.`,
    );
  }
  if (data.length === 3 * pixels) return { data, width, height, channels: 3 };
  if (data.length === 4 * pixels) return { data, width, height, channels: 4 };
  if (data.length !== pixels) {
    throw new DiffrateError(
      `'${file}' of '${name}' has ${data.length} bytes, but ${width} × ${height} pixels are ${pixels} (grey), ` +
        `${3 * pixels} (RGB) or ${4 * pixels} (RGBA): give it the width and height that it has.`,
    );
  }
  const colours = new Uint8Array(3 * pixels);
  for (let pixel = 0; pixel < pixels; pixel++) colours.fill(data[pixel] ?? 0, 3 * pixel, 3 * pixel + 3);
  return { data: colours, width, height, channels: 3 };
}

/** A digest of all pixels. */
async function contentOf(images: readonly RgbImage[]): Promise<string> {
  const parts = await Promise.all(
    images.map(async ({ data, width, height }) => {
      return `${width}x${height} ${(await sha256(Uint8Array.from(data))).join('.')}`;
    }),
  );
  return parts.join('\n');
}

function openMemoryReader(decode: (image: SourceImage) => RgbImage, options: ReadingOptions): ImageReader {
  const { images, preprocessing, augmentation, seed } = options;
  const augmenter = new ImageAugmenter(preprocessing, augmentation, seed);
  const size = valuesPerImage(preprocessing);
  const prepared = new Map<number, RgbImage>();
  let room = keptBytes;
  const prepare = (index: number): RgbImage => {
    const image = images[index];
    if (image === undefined) throw new RangeError(`there is no image ${index}`);
    const known = prepared.get(index);
    if (known !== undefined) return known;
    const made = augmenter.prepare(decode(image));
    if (made.data.byteLength <= room) {
      room -= made.data.byteLength;
      prepared.set(index, made);
    }
    return made;
  };
  const read = (slots: readonly ImageSlot[]): Promise<ReadImages> => {
    const pixels = new Float32Array(slots.length * size);
    const flipped = slots.map((slot, place) => augmenter.write(prepare(slot.index), slot, pixels, place * size));
    return Promise.resolve({ pixels, flipped, failures: [] });
  };
  return {
    parallel: 1,
    read,
    close: () => {
      prepared.clear();
      return Promise.resolve();
    },
  };
}
