/** Calibration images in memory with their targets, in a random order: what schedules are compared on, image by image. */
import { createImageLoader } from '../data/batches.ts';
import type { SkippedImage } from '../data/batches.ts';
import { RandomGenerator } from '../data/random.ts';
import { BlockNetworks } from '../loading/block-networks.ts';
import { NetworkSession } from '../loading/network-session.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import type { MergeRule } from '../reduction/merge-rule.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import { Candidate } from './candidate.ts';
import type { CandidateSource } from './candidate.ts';
import { softmaxRows } from './divergence.ts';
import type { LeadingBlocks } from './leading-blocks.ts';
import { Looks } from './race.ts';
import type { ComparedImages } from './race.ts';
import type { Plan } from './plan.ts';
import type { SearchedModel, SearchOptions } from './search-options.ts';

/** Most memory for pixels, in bytes: a thousand images of 224 × 224. Of larger folders a random part is taken. */
const pixelBytes = 640e6;

/** Most images per run: more are no faster. */
const largestBatch = 16;

/** Images and what each should answer; dispose it. */
export class CalibrationSet implements ComparedImages {
  readonly looks: Looks;
  /** Images that could not be decoded. */
  readonly skipped: readonly SkippedImage[];
  readonly #configuration: VisionTransformerConfiguration;
  /** `[size, 3, S, S]` */
  readonly #pixels: Float32Array;
  /** `[size, classes]`, rows sum to 1. */
  readonly #targets: Float32Array;
  /** Images per run of a block: a look is so many whole batches, as far as it can be. */
  readonly #batch: number;
  readonly #networks: BlockNetworks;
  #leader: LeadingBlocks | undefined;

  private constructor(
    model: SearchedModel,
    merging: MergeRule,
    session: SessionOptions,
    looks: number,
    pixels: Float32Array,
    targets: Float32Array,
    skipped: readonly SkippedImage[],
  ) {
    this.skipped = skipped;
    this.#configuration = model.configuration;
    this.#pixels = pixels;
    this.#targets = targets;
    this.looks = new Looks(targets.length / model.configuration.classes, looks);
    const { perLook } = this.looks;
    this.#batch = Math.ceil(perLook / Math.ceil(perLook / largestBatch));
    this.#networks = new BlockNetworks(model, this.#batch, session, merging);
  }

  /**
   * Loads centre crops of the folder, and the labels or the uncompressed network's answers.
   * @param looks of a race: as many parts the images are run in.
   * @param onBatch after each batch; may stop the search by throwing.
   */
  static async load(
    options: Pick<SearchOptions, 'model' | 'folder' | 'strict' | 'onWarning'>,
    { preset, targets: kind, seed }: Pick<Plan, 'preset' | 'targets' | 'seed'>,
    looks: number,
    session: SessionOptions,
    onBatch: () => Promise<void> = () => Promise.resolve(),
  ): Promise<CalibrationSet> {
    const { model, folder, strict, onWarning } = options;
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
      batchSize: largestBatch,
      ...(strict === undefined ? {} : { strict }),
      ...(onWarning === undefined ? {} : { onWarning }),
    });
    const pixels = new Float32Array(count * imageSize);
    const targets = new Float32Array(count * configuration.classes);
    let loaded = 0;
    let teacher: NetworkSession | undefined;
    try {
      if (kind === 'teacher') teacher = await NetworkSession.load(model, session);
      for await (const batch of loader) {
        pixels.set(batch.pixels, loaded * imageSize);
        const answers =
          teacher === undefined
            ? oneHot(batch.labels, configuration.classes)
            : softmaxRows(await teacher.run(batch.pixels), configuration.classes);
        targets.set(answers, loaded * configuration.classes);
        loaded += batch.indices.length;
        await onBatch();
      }
    } finally {
      await loader.close();
      await teacher?.dispose();
    }
    return new CalibrationSet(
      model,
      preset.merging,
      session,
      looks,
      pixels.subarray(0, loaded * imageSize),
      targets.subarray(0, loaded * configuration.classes),
      loader.skipped,
    );
  }

  candidate(kept: KeptNumbers): Candidate {
    const { classes } = this.#configuration;
    const source: CandidateSource = {
      looks: this.looks,
      batch: this.#batch,
      configuration: this.#configuration,
      networks: this.#networks,
      pixels: (first, count) => this.#pixelsOf(first, count),
      targets: (first, count) => this.#targets.subarray(first * classes, (first + count) * classes),
      leader: this.#leader,
      lead: (states) => {
        this.#leader = states;
      },
    };
    return new Candidate(source, kept);
  }

  /** Frees the network. */
  async dispose(): Promise<void> {
    await this.#networks.dispose();
  }

  #pixelsOf(first: number, count: number): Float32Array {
    const imageSize = 3 * this.#configuration.inputSize ** 2;
    const pixels = this.#pixels.subarray(first * imageSize, (first + count) * imageSize);
    if (count === this.#batch) return pixels;
    const padded = new Float32Array(this.#batch * imageSize);
    padded.set(pixels);
    return padded;
  }
}

function oneHot(labels: Int32Array | undefined, classes: number): Float32Array {
  const targets = new Float32Array((labels?.length ?? 0) * classes);
  labels?.forEach((label, image) => {
    targets[image * classes + label] = 1;
  });
  return targets;
}
