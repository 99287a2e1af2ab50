/** The thread that loads images: file or bytes in memory → 8-bit RGB → crop → normalised floats, one batch per job. */

import { readFile } from 'node:fs/promises';
import { workerData } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import { decodeImage } from './decode.ts';
import { colourImage } from './grey-images.ts';
import { ImageAugmenter } from './image-augmenter.ts';
import type { CachedImage, ImageJob, ImageJobResult, ImageWorkerSettings } from './image-job.ts';
import { resizeImage } from './pillow-resize.ts';
import type { RgbImage } from './pillow-resize.ts';
import { serveJobs } from '../threads/worker-pool.ts';
import type { Transferable } from '../threads/worker-pool.ts';

const { preprocessing, decoder, augmentation, seed, pixels: greyImages } = workerData as ImageWorkerSettings;
const augmenter = new ImageAugmenter(preprocessing, augmentation, seed);
const imageSize = 3 * preprocessing.cropSize ** 2;

/** A copy in shared memory, three channels. */
function share(image: RgbImage): CachedImage {
  const { width, height } = image;
  const rgb = image.channels === 3 ? image : resizeImage(image, { width, height, interpolation: 'bilinear' });
  const data = new Uint8Array(new SharedArrayBuffer(width * height * 3));
  data.set(rgb.data);
  return { data, width, height };
}

async function readSource(source: string | number): Promise<RgbImage> {
  if (typeof source === 'string') return decodeImage(await readFile(source), decoder);
  if (greyImages === undefined) throw new Error(`there are no pixels of image ${source}`);
  return colourImage(greyImages, source);
}

async function load(job: ImageJob): Promise<Transferable<ImageJobResult>> {
  const pixels = new Float32Array(job.images.length * imageSize);
  const failures: { slot: number; reason: string }[] = [];
  const decoded: { slot: number; image: CachedImage }[] = [];
  const flipped: boolean[] = [];
  let loaded = 0;
  for (const [slot, request] of job.images.entries()) {
    let image: RgbImage;
    try {
      image = request.cached ? { ...request.cached, channels: 3 } : augmenter.prepare(await readSource(request.source));
    } catch (error) {
      failures.push({ slot, reason: messageOf(error) });
      continue;
    }
    if (job.keepDecoded && !request.cached) decoded.push({ slot, image: share(image) });
    flipped.push(augmenter.write(image, request, pixels, loaded * imageSize));
    loaded += 1;
  }
  const result = { pixels: pixels.subarray(0, loaded * imageSize), flipped, failures, decoded };
  return { result, transfer: [pixels.buffer] };
}

serveJobs(load);
