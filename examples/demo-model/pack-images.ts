/**
 * Packs the demo's images, by hand:
 * `npx tsx examples/demo-model/pack-images.ts [--images 500] [--out FOLDER]`. Takes as many images
 * of each class at random (always the same ones) out of Fashion-MNIST's training images to
 * calibrate on and out of its test images to evaluate on, and writes them as gzipped IDX files with
 * their labels. See `fashion-mnist.ts` for where it looks for them.
 */

import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { encodeIdx, readIdxFile } from '../../src/data/idx-file.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { RandomGenerator } from '../../src/data/random.ts';
import { DiffrateError, messageOf, UsageError } from '../../src/errors.ts';
import { fashionMnist } from './fashion-mnist.ts';

const seed = 1;

/** `count` positions in random order, as many of each class. */
function drawBalanced(folder: ImageSource, count: number, random: RandomGenerator): number[] {
  const order = Array.from(random.permutation(folder.images.length));
  const classes = new Set(folder.images.map(({ label }) => label)).size;
  if (!Number.isInteger(count / classes) || count < classes) {
    throw new UsageError(`--images must be a multiple of the ${classes} classes, not ${count}.`);
  }
  const taken = new Map<number | undefined, number>();
  const drawn = order.filter((position) => {
    const label = folder.images[position]?.label;
    const before = taken.get(label) ?? 0;
    taken.set(label, before + 1);
    return before < count / classes;
  });
  if (drawn.length < count) {
    throw new UsageError(`'${folder.name}' has too few images of a class: ask for fewer than ${count} --images.`);
  }
  return drawn;
}

/** Writes the images and labels files of one part; returns their bytes. */
async function pack(source: string, count: number, name: string, out: string): Promise<number> {
  const folder = await openImageFolder(source, { strict: true });
  const { dimensions, data } = await readIdxFile(source);
  const [, height = 0, width = 0] = dimensions;
  const positions = drawBalanced(folder, count, new RandomGenerator(seed).fork(name));
  const size = width * height;
  const pixels = new Uint8Array(count * size);
  for (const [place, position] of positions.entries()) {
    pixels.set(data.subarray(position * size, (position + 1) * size), place * size);
  }
  const labels = Uint8Array.from(positions, (position) => folder.images[position]?.label ?? 0);
  const images = await write(join(out, `${name}-images-idx3-ubyte.gz`), [count, height, width], pixels);
  return images + (await write(join(out, `${name}-labels-idx1-ubyte.gz`), [count], labels));
}

async function write(file: string, dimensions: readonly number[], data: Uint8Array): Promise<number> {
  const bytes = gzipSync(encodeIdx({ dimensions, data }), { level: 9 });
  await writeFile(`${file}.part`, bytes);
  await rename(`${file}.part`, file);
  return bytes.length;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      images: { type: 'string', default: '500' },
      out: { type: 'string', default: fileURLToPath(new URL('images', import.meta.url)) },
    },
  });
  await mkdir(values.out, { recursive: true });
  for (const [name, source] of [
    ['calibration', fashionMnist.training],
    ['evaluation', fashionMnist.test],
  ] as const) {
    const bytes = await pack(source, Number(values.images), name, values.out);
    console.log(`${name}: ${values.images} images of ${source}, ${(bytes / 1024).toFixed(0)} KB in ${values.out}`);
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof DiffrateError ? `error: ${error.message}` : messageOf(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
