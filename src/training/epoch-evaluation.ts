/**
 * Evaluation of weights that are still being trained: a forward graph with the parameters as inputs, so that no session is built anew
 * after each epoch. The answers of the network that training started from are computed once.
 */
import { createImageLoader } from '../data/batches.ts';
import type { ImageLoaderOptions } from '../data/batches.ts';
import type { ImageFolder } from '../data/image-folder.ts';
import { onceEach } from '../data/skipped-images.ts';
import { MetricAccumulator } from '../evaluation/metrics.ts';
import { lower } from '../graph/lower.ts';
import { input } from '../graph/tensor.ts';
import { NetworkSession } from '../loading/network-session.ts';
import type { Network } from '../loading/network-session.ts';
import { tokenCount } from '../models/configuration.ts';
import { visionTransformer } from '../models/vision-transformer.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import { floats } from '../runtime/runtime.ts';
import type { Runtime, RuntimeTensor, Session, SessionOptions } from '../runtime/runtime.ts';
import { parameterInputs } from './training-graph.ts';
import type { TrainingGraphOptions } from './training-graph.ts';
import type { EvaluatedEpoch } from './training-options.ts';
import { partOf } from './trained-parameters.ts';

const batchSize = 16;

/** What is done about images that cannot be decoded. */
export type EvaluatedImages = Pick<ImageLoaderOptions, 'strict' | 'onWarning'>;

/** Evaluates vectors of weights on one image folder. */
export class EpochEvaluation {
  readonly #session: Session;
  readonly #options: TrainingGraphOptions;
  readonly #folder: ImageFolder;
  readonly #images: EvaluatedImages;
  /** Logits of the network that training started from, per batch; empty without one. */
  readonly #references: readonly Float32Array[];

  private constructor(
    session: Session,
    options: TrainingGraphOptions,
    folder: ImageFolder,
    images: EvaluatedImages,
    references: readonly Float32Array[],
  ) {
    this.#session = session;
    this.#options = options;
    this.#folder = folder;
    this.#images = images;
    this.#references = references;
  }

  /**
   * Builds the graph and asks the starting network, where there is one.
   * @throws {DiffrateError} if images cannot be read.
   */
  static async load(
    runtime: Runtime,
    options: TrainingGraphOptions,
    folder: ImageFolder,
    start: Network | undefined,
    sessionOptions: SessionOptions,
    images: EvaluatedImages = {},
  ): Promise<EpochEvaluation> {
    const { configuration, layout, schedule, method } = options;
    const { inputSize } = configuration;
    const pixels = input('pixel_values', 'float32', ['batch', 3, inputSize, inputSize]);
    const { inputs, parameters } = parameterInputs(
      layout,
      method?.learned?.trainsNetwork === false ? start?.parameters : undefined,
    );
    const { logits } = visionTransformer(pixels, configuration, parameters, {
      classTokenOnlyLastBlock: true,
      ...(schedule === undefined ? {} : { reducer: diffRate(schedule, tokenCount(configuration)) }),
      ...(method === undefined ? {} : { reducer: method.reducer }),
    });
    const session = await runtime.load(lower({ logits }, [pixels, ...inputs]), sessionOptions);
    // Every epoch reads the images again.
    const told = { ...images, onWarning: onceEach(images.onWarning) };
    const evaluation = new EpochEvaluation(session, options, folder, told, []);
    if (start === undefined) return evaluation;
    const references: Float32Array[] = [];
    let plain: NetworkSession | undefined;
    try {
      plain = await NetworkSession.load(start, sessionOptions);
      for await (const { pixels: values } of evaluation.#loader()) references.push(await plain.run(values));
    } catch (error) {
      await session.dispose();
      throw error;
    } finally {
      await plain?.dispose();
    }
    return new EpochEvaluation(session, options, folder, told, references);
  }

  /** Evaluates a vector of weights. */
  async run(weights: Float32Array): Promise<EvaluatedEpoch> {
    const { layout, configuration } = this.#options;
    const feeds: Record<string, RuntimeTensor> = Object.fromEntries(
      layout.parameters.map((parameter) => [parameter.name, floats(partOf(weights, parameter), parameter.shape)]),
    );
    const metrics = new MetricAccumulator(configuration.classes);
    let batch = 0;
    for await (const { pixels, shape, labels } of this.#loader()) {
      const results = await this.#session.run({ ...feeds, pixel_values: floats(pixels, shape) });
      const reference = this.#references[batch];
      batch += 1;
      metrics.add({
        logits: results['logits']?.data as Float32Array,
        ...(reference === undefined ? {} : { reference }),
        ...(labels === undefined ? {} : { labels }),
      });
    }
    const { top1, loss, kl } = metrics.result();
    return { top1, loss, kl };
  }

  /** Frees the graph. */
  async dispose(): Promise<void> {
    await this.#session.dispose();
  }

  async *#loader(): AsyncGenerator<{ pixels: Float32Array; shape: readonly number[]; labels?: Int32Array }> {
    const { preprocessing } = this.#options.configuration;
    const loader = createImageLoader({ folder: this.#folder, preprocessing, batchSize, ...this.#images });
    try {
      yield* loader;
    } finally {
      await loader.close();
    }
  }
}
