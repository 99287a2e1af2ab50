/** How quick large JPEGs are decoded at a reduced size, and how far a network's answers move. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { max, mean } from 'd3-array';
import sharp from 'sharp';
import { decodeImage } from '../src/data/decoding/decode-image.ts';
import { imageDecoders } from '../src/data/decoding/decoding-options.ts';
import { openImageFolder } from '../src/data/open-image-folder.ts';
import { preprocessImage } from '../src/data/preprocess.ts';
import { NetworkSession } from '../src/execution/network-session.ts';
import { klOfLogits } from '../src/objectives/softmax.ts';
import { nodeRuntime } from '../src/runtime/node/runtime.ts';
import { dataPath, loadDeitTiny, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

const photos = 100;
const megapixels = 12;

/** Photos made as large as those of a phone, decoded both ways by one thread. */
export const decoding: Measurement = {
  name: 'decoding',
  description: `JPEGs of ${megapixels} megapixels to what DeiT-T reads, whole and at a reduced size, one thread`,
  needs: [weightsFile, 'imagenet-val'],
  async run() {
    sharp.concurrency(1);
    const model = await loadDeitTiny();
    const session = await NetworkSession.load(model, { runtime: nodeRuntime });
    const { name, images } = await openImageFolder(dataPath('imagenet-val'), { limit: photos });
    const seconds = { auto: 0, exact: 0 };
    const divergences: number[] = [];
    let agreeing = 0;
    for (const { file } of images) {
      const bytes = await enlarged(await readFile(join(name, file)));
      const answers: { auto?: Float32Array; exact?: Float32Array } = {};
      for (const decoder of imageDecoders) {
        const start = performance.now();
        const pixels = preprocessImage(await decodeImage(bytes, { decoder }, model.preprocessing), model.preprocessing);
        seconds[decoder] += (performance.now() - start) / 1000;
        answers[decoder] = await session.run(pixels);
      }
      const { auto = new Float32Array(), exact = new Float32Array() } = answers;
      divergences.push(klOfLogits(exact, auto));
      if (largest(auto) === largest(exact)) agreeing += 1;
    }
    await session.dispose();
    const rate = (decoder: 'auto' | 'exact'): string => `${(images.length / seconds[decoder]).toFixed(1)} images/s`;
    return [
      `exact ${rate('exact')}, auto ${rate('auto')}: ${(seconds.exact / seconds.auto).toFixed(1)} times as many`,
      `KL of the answers: mean ${(mean(divergences) ?? NaN).toExponential(1)}, largest ${(max(divergences) ?? NaN).toExponential(1)}`,
      `same class for ${agreeing} of ${images.length} photos`,
    ];
  },
};

/** The photo with so many pixels, as a JPEG. */
async function enlarged(bytes: Uint8Array): Promise<Buffer> {
  const { width, height } = await sharp(bytes).metadata();
  const scale = Math.sqrt((megapixels * 1e6) / (width * height));
  return sharp(bytes)
    .resize(Math.round(width * scale), Math.round(height * scale), { fit: 'fill' })
    .jpeg({ quality: 90 })
    .toBuffer();
}

const largest = (logits: Float32Array): number => logits.indexOf(Math.max(...logits));
