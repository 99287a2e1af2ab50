/**
 * The thread that loads images: file or bytes in memory → 8-bit RGB → crop → normalised floats, one
 * batch per job.
 */

import { readFile } from 'node:fs/promises';
import { workerData } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import { decodeImage } from './decoding/decode-image.ts';
import type { DecodedImage } from './decoded-image.ts';
import { sharedImage } from './decoded-images.ts';
import type { CachedImage } from './decoded-images.ts';
import { colourImage } from './grey-images.ts';
import { ImageAugmenter } from './image-augmenter.ts';
import type { ImageJob, ImageJobResult, ImageWorkerSettings } from './image-job.ts';
import type { RgbImage } from './pillow-resize.ts';
import { valuesPerImage } from './preprocessing.ts';
import { serveJobs } from '../threads/worker-pool.ts';
import type { Transferable } from '../threads/worker-pool.ts';

const { preprocessing, decoding, augmentation, seed, pixels: greyImages } = workerData as ImageWorkerSettings;
const augmenter = new ImageAugmenter(preprocessing, augmentation, seed);
const imageSize = valuesPerImage(preprocessing);

/** Random crops are taken of the whole image, so that none is reduced for them. */
const wanted = augmentation.randomResizedCrop ? undefined : preprocessing;

async function readSource(source: string | number): Promise<DecodedImage> {
  if (typeof source === 'string') return decodeImage(await readFile(source), decoding, wanted);
  if (greyImages === undefined) throw new Error(`there are no pixels of image ${source}`);
  return colourImage(greyImages, source);
}

/** An image as `ImageAugmenter.write` takes it, or why there is none. */
type Prepared = { readonly image: RgbImage; readonly warning?: string | undefined } | { readonly reason: string };

async function prepare(source: string | number): Promise<Prepared> {
  try {
    const image = await readSource(source);
    return { image: augmenter.prepare(image), warning: image.warning };
  } catch (error) {
    return { reason: messageOf(error) };
  }
}

/** Sources of which a job wants several views. */
function repeatedSources({ images }: ImageJob): Set<string | number> {
  const seen = new Set<string | number>();
  return new Set(images.map(({ source }) => source).filter((source) => seen.has(source) || !seen.add(source)));
}

async function load(job: ImageJob): Promise<Transferable<ImageJobResult>> {
  const pixels = new Float32Array(job.images.length * imageSize);
  const failures: { slot: number; reason: string }[] = [];
  const warnings: { slot: number; warning: string }[] = [];
  const decoded: { slot: number; image: CachedImage }[] = [];
  const flipped: boolean[] = [];
  const repeated = repeatedSources(job);
  const known = new Map<string | number, Prepared>();
  let decodings = 0;
  let loaded = 0;
  for (const [slot, request] of job.images.entries()) {
    const { source, cached } = request;
    let prepared: Prepared | undefined = cached ? { image: { ...cached, channels: 3 } } : known.get(source);
    if (prepared === undefined) {
      prepared = await prepare(source);
      if (repeated.has(source)) known.set(source, prepared);
      if ('image' in prepared) {
        decodings += 1;
        if (job.keepDecoded) decoded.push({ slot, image: sharedImage(prepared.image) });
      }
    }
    if ('reason' in prepared) {
      failures.push({ slot, reason: prepared.reason });
      continue;
    }
    if (prepared.warning !== undefined) warnings.push({ slot, warning: prepared.warning });
    flipped.push(augmenter.write(prepared.image, request, pixels, loaded * imageSize));
    loaded += 1;
  }
  const result = { pixels: pixels.subarray(0, loaded * imageSize), flipped, failures, warnings, decoded, decodings };
  return { result, transfer: [pixels.buffer] };
}

serveJobs(load);
