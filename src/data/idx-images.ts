/**
 * An IDX file of images as an image folder, with the labels file that lies beside it: MNIST,
 * Fashion-MNIST and what else is spread in that format. Image 17 of `train-images-idx3-ubyte.gz` is
 * called `train-images-idx3-ubyte#17`.
 */

import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DiffrateError } from '../errors.ts';
import { readIdxFile } from './idx-file.ts';
import { openFolderReader } from './folder-reader.ts';
import { colourImage } from './grey-images.ts';
import type { ImageSource, SourceImage } from './image-source.ts';

/**
 * Opens an IDX file of images; its pixels are read at once.
 * @param warn told in one sentence where there is no labels file.
 * @param wanted `auto` looks for a labels file beside it, `none` for none; else the path of one.
 * @throws DiffrateError if either file is damaged or of another kind, or there is not one label for
 *   each image.
 */
export async function openIdxImages(
  file: string,
  warn: (message: string) => void,
  wanted = 'auto',
): Promise<ImageSource> {
  const { dimensions, data } = await readIdxFile(file);
  const [count = 0, height = 0, width = 0] = dimensions;
  if (dimensions.length !== 3) {
    throw new DiffrateError(
      `'${file}' has ${dimensions.length === 1 ? 'one dimension' : `${dimensions.length} dimensions`} and not the three of ` +
        `grey images (count, height, width): give the images file, such as train-images-idx3-ubyte.gz.`,
    );
  }
  const labelsFile = await labelsFileOf(file, wanted, warn);
  const labels = labelsFile === undefined ? undefined : await readLabels(labelsFile, file, count);
  const name = basename(file).replace(/\.gz$/, '');
  const pixels = { data, width, height };
  const fileOf = (position: number): string => `${name}#${position}`;
  const positionOf = (image: SourceImage): number => {
    const position = Number(image.file.slice(name.length + 1));
    if (fileOf(position) === image.file && position < count) return position;
    throw new DiffrateError(`There is no image '${image.file}' in '${file}', which holds ${count} images.`);
  };
  return {
    name: resolve(file),
    images: Array.from({ length: count }, (_, position) => ({
      file: fileOf(position),
      ...(labels && { label: labels[position] ?? 0 }),
    })),
    labelled: labels !== undefined,
    labelling:
      labelsFile === undefined
        ? { origin: 'none', how: wanted === 'none' ? 'as was asked for' : 'as no labels file lies beside it' }
        : { origin: 'labels file', how: `from ${basename(labelsFile)}` },
    identity: () => Promise.resolve(`${resolve(file)} ${createHash('sha256').update(data).digest('hex')}`),
    open: (options) => openFolderReader({ sourceOf: positionOf, pixels }, options),
    decode: (image) => Promise.resolve(colourImage(pixels, positionOf(image))),
  };
}

/**
 * The labels file's name: `images` becomes `labels` and `idx3` `idx1`; gzipped like the images
 * file, or else not like it.
 */
function labelsNames(file: string): string[] {
  const name = basename(file);
  const labels = name.replace(/images(?!.*images)/, 'labels').replace('idx3', 'idx1');
  if (!name.includes('images')) return [];
  return [labels, labels.endsWith('.gz') ? labels.slice(0, -3) : `${labels}.gz`];
}

/** Path of the labels file. */
async function labelsFileOf(
  file: string,
  wanted: string,
  warn: (message: string) => void,
): Promise<string | undefined> {
  if (wanted === 'none') return undefined;
  if (wanted === 'folders')
    throw new DiffrateError(
      `'${file}' is one file and has no sub-folders: leave \`labels\` out, or give a labels file.`,
    );
  if (wanted !== 'auto') return wanted;
  const names = labelsNames(file);
  const found = await Promise.all(
    names.map((name) =>
      stat(join(dirname(file), name)).then(
        () => true,
        () => false,
      ),
    ),
  );
  const name = names[found.indexOf(true)];
  if (name !== undefined) return join(dirname(file), name);
  const looked = names.length === 0 ? "a name with 'images' in it would say what they are called" : `'${names[0]}'`;
  warn(`No labels file lies beside '${file}' (${looked}): its images have no labels.`);
  return undefined;
}

async function readLabels(source: string, file: string, images: number): Promise<Uint8Array> {
  const { dimensions, data } = await readIdxFile(source);
  if (dimensions.length !== 1 || dimensions[0] !== images) {
    throw new DiffrateError(
      `'${source}' holds ${dimensions.join('×')} labels for the ${images} images of '${file}': ` +
        `put the labels file there that belongs to these images.`,
    );
  }
  return data;
}
