/**
 * FLOPs of a method by the paper's count (10⁹ multiply-accumulates), from its tokens per block.
 * Where these differ per image it is the mean over a small sample of images,
 * the same for every method and every setting.
 */
import { flopsPerGflop } from '../cost/flops.ts';
import { countMethodFlops, sumMethodFlops } from '../cost/method-flops.ts';
import { createImageLoader } from '../data/batches.ts';
import { spreadSample } from '../data/image-sample.ts';
import type { ImageSource } from '../data/image-source.ts';
import { NetworkSession } from '../execution/network-session.ts';
import type { Model } from '../networks/model.ts';
import type { BuiltMethod, ReductionMethod } from '../reduction/methods/method.ts';
import type { Runtime, SessionOptions } from '../runtime/runtime.ts';

/** Images of the sample. */
const sampleImages = 32;

/** Images per run. */
const batchSize = 16;

/** Where networks run. */
export interface MethodCostOptions extends SessionOptions {
  readonly runtime: Runtime;
}

/** Counts FLOPs; pixels of the sample are loaded when they are first needed. */
export class MethodCost {
  readonly #model: Model;
  readonly #folder: ImageSource;
  readonly #options: MethodCostOptions;
  #sample: Promise<readonly Float32Array[]> | undefined;

  constructor(model: Model, folder: ImageSource, options: MethodCostOptions) {
    this.#model = model;
    this.#folder = folder;
    this.#options = options;
  }

  /** GFLOPs of a method as it is built. */
  async gflops(method: ReductionMethod, built: BuiltMethod): Promise<number> {
    const { network } = this.#model;
    if (method.ragged !== true) {
      return countMethodFlops(network, built.tokensPerBlock, built.work).total / flopsPerGflop;
    }
    this.#sample ??= this.#load();
    const batches = await this.#sample;
    const session = await NetworkSession.load(this.#model, { ...this.#options, reducer: built.reducer });
    let [sum, images] = [0, 0];
    try {
      for (const pixels of batches) {
        const counts = (await session.runCounted(pixels)).tokensPerBlock ?? [];
        sum += sumMethodFlops(network, counts);
        images += counts.length;
      }
    } finally {
      await session.dispose();
    }
    return sum / images / flopsPerGflop;
  }

  async #load(): Promise<Float32Array[]> {
    const chosen = spreadSample(this.#folder, sampleImages);
    const { preprocessing } = this.#model;
    const loader = createImageLoader({ source: { ...this.#folder, images: chosen }, preprocessing, batchSize });
    const batches: Float32Array[] = [];
    try {
      for await (const { pixels } of loader) batches.push(pixels.slice());
    } finally {
      await loader.close();
    }
    return batches;
  }
}
