/**
 * FLOPs of a method by the paper's count (10⁹ multiply-accumulates): from its tokens per block, or, where these differ per image,
 * the mean over a small sample of images, the same for every method and every setting.
 */
import { countMethodFlops, sumMethodFlops } from '../cost/method-flops.ts';
import { createImageLoader } from '../data/batches.ts';
import type { ImageFolder } from '../data/image-folder.ts';
import { NetworkSession } from '../loading/network-session.ts';
import type { Network } from '../loading/network-session.ts';
import type { BuiltMethod, ReductionMethod } from '../reduction/methods/method.ts';
import type { SessionOptions } from '../runtime/runtime.ts';

/** Images of the sample. */
const sampleImages = 32;

/** Images per run. */
const batchSize = 16;

/** Counts FLOPs; pixels of the sample are loaded when they are first needed. */
export class MethodCost {
  readonly #network: Network;
  readonly #folder: ImageFolder;
  readonly #options: SessionOptions;
  #sample: Promise<readonly Float32Array[]> | undefined;

  constructor(network: Network, folder: ImageFolder, options: SessionOptions = {}) {
    this.#network = network;
    this.#folder = folder;
    this.#options = options;
  }

  /** GFLOPs of a method as it is built. */
  async gflops(method: ReductionMethod, built: BuiltMethod): Promise<number> {
    const { configuration } = this.#network;
    if (method.ragged !== true) {
      return countMethodFlops(configuration, built.tokensPerBlock, built.reducesBeforeBlock).total / 1e9;
    }
    this.#sample ??= this.#load();
    const batches = await this.#sample;
    const session = await NetworkSession.load(this.#network, { ...this.#options, reducer: built.reducer });
    let [sum, images] = [0, 0];
    try {
      for (const pixels of batches) {
        const counts = (await session.runCounted(pixels)).tokensPerBlock ?? [];
        sum += sumMethodFlops(configuration, counts);
        images += counts.length;
      }
    } finally {
      await session.dispose();
    }
    return sum / images / 1e9;
  }

  async #load(): Promise<Float32Array[]> {
    const { images } = this.#folder;
    // Spread over the folder: class sub-folders lie one after the other.
    const count = Math.min(sampleImages, images.length);
    const chosen = Array.from(
      { length: count },
      (_, index) => images[Math.floor((index * images.length) / count)],
    ).filter((image) => image !== undefined);
    const { preprocessing } = this.#network.configuration;
    const loader = createImageLoader({ folder: { ...this.#folder, images: chosen }, preprocessing, batchSize });
    const batches: Float32Array[] = [];
    try {
      for await (const { pixels } of loader) batches.push(pixels.slice());
    } finally {
      await loader.close();
    }
    return batches;
  }
}
