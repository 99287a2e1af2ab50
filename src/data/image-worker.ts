/** The thread that loads images: file → 8-bit RGB → crop → normalised floats, one batch per job. */

import { readFile } from 'node:fs/promises';
import { workerData } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import { drawFlip, randomResizedCrop } from './augmentation.ts';
import { decodeImage } from './decode.ts';
import type { CachedImage, ImageJob, ImageJobResult, ImageRequest, ImageWorkerSettings } from './image-job.ts';
import { resizeImage } from './pillow-resize.ts';
import type { RgbImage } from './pillow-resize.ts';
import { createNormalizer, resizeAndCrop } from './preprocess.ts';
import { RandomGenerator } from './random.ts';
import { serveJobs } from './worker-pool.ts';
import type { Transferable } from './worker-pool.ts';

const { preprocessing, decoder, augmentation, seed } = workerData as ImageWorkerSettings;
const normalize = createNormalizer(preprocessing);
const imageSize = 3 * preprocessing.cropSize ** 2;
const crops = augmentation.randomResizedCrop;

/** A copy in shared memory, three channels. */
function share(image: RgbImage): CachedImage {
  const { width, height } = image;
  const rgb = image.channels === 3 ? image : resizeImage(image, { width, height, interpolation: 'bilinear' });
  const data = new Uint8Array(new SharedArrayBuffer(width * height * 3));
  data.set(rgb.data);
  return { data, width, height };
}

/** What is the same for an image in every epoch: the part that the cache keeps. */
async function loadOnce(request: ImageRequest): Promise<RgbImage> {
  const image = await decodeImage(await readFile(request.path), decoder);
  return crops ? image : resizeAndCrop(image, preprocessing);
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
      image = request.cached ? { ...request.cached, channels: 3 } : await loadOnce(request);
    } catch (error) {
      failures.push({ slot, reason: messageOf(error) });
      continue;
    }
    if (job.keepDecoded && !request.cached) decoded.push({ slot, image: share(image) });
    const random = new RandomGenerator(seed).fork('augmentation', request.epoch, request.index);
    const flip = drawFlip(random, augmentation);
    const { cropSize, interpolation } = preprocessing;
    if (crops) image = randomResizedCrop(random, image, cropSize, interpolation, crops);
    normalize(image, pixels, loaded * imageSize, flip);
    flipped.push(flip);
    loaded += 1;
  }
  const result = { pixels: pixels.subarray(0, loaded * imageSize), flipped, failures, decoded };
  return { result, transfer: [pixels.buffer] };
}

serveJobs(load);
