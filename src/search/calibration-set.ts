/** Calibration images in memory with their targets, in a random order: what schedules are compared on, image by image. */
import { createImageLoader } from '../data/batches.ts';
import { RandomGenerator } from '../data/random.ts';
import { NetworkSession } from '../loading/network-session.ts';
import { tokenCount } from '../models/configuration.ts';
import type { MergeRule } from '../reduction/merge-rule.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import type { Plan } from './plan.ts';
import type { SearchedModel, SearchOptions } from './search-options.ts';

/** Most memory for pixels, in bytes: a thousand images of 224 × 224. Of larger folders a random part is taken. */
const pixelBytes = 640e6;

/** Images per run of a network. */
const batchSize = 25;

/** Probabilities below this count as this in a logarithm. */
const smallestProbability = 1e-30;

/** Images and what each should answer. */
export class CalibrationSet {
  readonly size: number;
  readonly #merging: MergeRule;
  readonly #model: SearchedModel;
  readonly #session: SessionOptions;
  /** `[size, 3, S, S]` */
  readonly #pixels: Float32Array;
  /** `[size, classes]`, rows sum to 1. */
  readonly #targets: Float32Array;

  private constructor(
    model: SearchedModel,
    merging: MergeRule,
    session: SessionOptions,
    pixels: Float32Array,
    targets: Float32Array,
  ) {
    this.#model = model;
    this.#merging = merging;
    this.#session = session;
    this.#pixels = pixels;
    this.#targets = targets;
    this.size = targets.length / model.configuration.classes;
  }

  /** Loads centre crops of the folder, and the labels or the uncompressed network's answers. */
  static async load(
    options: Pick<SearchOptions, 'model' | 'folder' | 'strict'>,
    { preset, targets: kind, seed }: Plan,
    session: SessionOptions,
  ): Promise<CalibrationSet> {
    const { model, folder, strict } = options;
    const { configuration } = model;
    const imageSize = 3 * configuration.inputSize ** 2;
    const count = Math.min(folder.images.length, Math.max(1, Math.floor(pixelBytes / (4 * imageSize))));
    const order = new RandomGenerator(seed).fork('calibration').permutation(folder.images.length);
    const images = Array.from(order.subarray(0, count), (index) => folder.images[index]).filter(
      (image) => image !== undefined,
    );
    const loader = createImageLoader({
      folder: { ...folder, images },
      preprocessing: configuration.preprocessing,
      batchSize,
      ...(strict === undefined ? {} : { strict }),
    });
    const teacher = kind === 'teacher' ? await NetworkSession.load(model, session) : undefined;
    const pixels = new Float32Array(count * imageSize);
    const targets = new Float32Array(count * configuration.classes);
    let loaded = 0;
    try {
      for await (const batch of loader) {
        pixels.set(batch.pixels, loaded * imageSize);
        const answers =
          teacher === undefined
            ? oneHot(batch.labels, configuration.classes)
            : softmaxRows(await teacher.run(batch.pixels), configuration.classes);
        targets.set(answers, loaded * configuration.classes);
        loaded += batch.indices.length;
      }
    } finally {
      await loader.close();
      await teacher?.dispose();
    }
    return new CalibrationSet(
      model,
      preset.merging,
      session,
      pixels.subarray(0, loaded * imageSize),
      targets.subarray(0, loaded * configuration.classes),
    );
  }

  /** A network with these kept numbers, to be compared; dispose it. */
  async candidate(kept: KeptNumbers): Promise<Candidate> {
    const network = await NetworkSession.load(this.#model, {
      ...this.#session,
      reducer: diffRate(kept, tokenCount(this.#model.configuration), { merging: this.#merging }),
    });
    return new Candidate(network, this.size, (first, count) => this.#part(first, count));
  }

  #part(first: number, count: number): Part {
    const imageSize = 3 * this.#model.configuration.inputSize ** 2;
    const { classes } = this.#model.configuration;
    return {
      classes,
      pixels: this.#pixels.subarray(first * imageSize, (first + count) * imageSize),
      targets: this.#targets.subarray(first * classes, (first + count) * classes),
    };
  }
}

interface Part {
  readonly classes: number;
  readonly pixels: Float32Array;
  readonly targets: Float32Array;
}

/** One schedule's losses per image, computed as far as they are needed. */
export class Candidate {
  /** KL divergence of each image's answer from its target, in nats, up to `done`. */
  readonly losses: Float64Array;
  done = 0;
  readonly #network: NetworkSession;
  readonly #part: (first: number, count: number) => Part;

  constructor(network: NetworkSession, size: number, part: (first: number, count: number) => Part) {
    this.#network = network;
    this.#part = part;
    this.losses = new Float64Array(size);
  }

  /** Computes the losses of the images up to `end`. */
  async runTo(end: number): Promise<void> {
    while (this.done < end) {
      const count = Math.min(batchSize, end - this.done);
      const { pixels, targets, classes } = this.#part(this.done, count);
      const logits = await this.#network.run(pixels);
      for (let image = 0; image < count; image++) {
        const row = (values: Float32Array): Float32Array => values.subarray(image * classes, (image + 1) * classes);
        this.losses[this.done + image] = divergence(row(targets), softmaxRows(row(logits), classes));
      }
      this.done += count;
    }
  }

  /** Mean loss of the images done. */
  mean(): number {
    return this.losses.subarray(0, this.done).reduce((sum, loss) => sum + loss, 0) / this.done;
  }

  /** Frees the network; the losses stay. */
  async dispose(): Promise<void> {
    await this.#network.dispose();
  }
}

/** KL(target ‖ answer) in nats. */
function divergence(target: Float32Array, answer: Float32Array): number {
  let sum = 0;
  target.forEach((probability, index) => {
    if (probability > 0) sum += probability * Math.log(probability / Math.max(answer[index] ?? 0, smallestProbability));
  });
  return sum;
}

function oneHot(labels: Int32Array | undefined, classes: number): Float32Array {
  const targets = new Float32Array((labels?.length ?? 0) * classes);
  labels?.forEach((label, image) => {
    targets[image * classes + label] = 1;
  });
  return targets;
}

function softmaxRows(logits: Float32Array, classes: number): Float32Array {
  const result = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    const row = logits.subarray(start, start + classes);
    const largest = row.reduce((a, b) => Math.max(a, b));
    const weights = row.map((value) => Math.exp(value - largest));
    const total = weights.reduce((a, b) => a + b);
    result.set(
      weights.map((weight) => weight / total),
      start,
    );
  }
  return result;
}
