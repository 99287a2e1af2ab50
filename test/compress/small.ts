/** A compression of a second: a small network with random weights, and random images. */
import { join } from 'node:path';
import type { OpenedCompression } from '../../src/compress/compress-options.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { randomModel, smallConfiguration } from '../random-network.ts';

/**
 * What to compress, but for the folder.
 * @param directory where images are written.
 */
export async function smallOptions(directory: string): Promise<Omit<OpenedCompression, 'directory'>> {
  const labels = Array.from({ length: 8 }, (_, index) => index % smallConfiguration.classes);
  await writeRandomImages(join(directory, 'images'), labels.length, labels);
  return {
    model: randomModel(),
    images: await openImageFolder(join(directory, 'images')),
    target: { ratio: 0.7 },
    steps: 2,
    batchSize: 4,
    threads: 1,
  };
}

/**
 * The same of a network that a schedule is published for, by its name and its blocks: DeiT-T's
 * tokens, but narrow.
 */
export function publishedOptions(): Omit<OpenedCompression, 'directory'> {
  const sizes = {
    inputSize: { height: 224, width: 224 },
    patchSize: 16,
    depth: 12,
    width: 12,
    heads: 3,
    hiddenWidth: 24,
  };
  const model = { ...randomModel({ ...smallConfiguration, ...sizes }), name: 'deit_tiny_patch16_224' };
  return { model, target: { value: 0.8, unit: 'GFLOPs' }, threads: 1 };
}
