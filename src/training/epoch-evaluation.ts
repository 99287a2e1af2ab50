/**
 * Evaluation of weights that are still being trained: a forward graph with the parameters as
 * inputs, so that no session is built anew after each epoch. The answers of the network that
 * training started from are computed once.
 */
import { createImageLoader } from '../data/batches.ts';
import type { ImageLoaderOptions } from '../data/batches.ts';
import { onceEach } from '../data/skipped-images.ts';
import { MetricAccumulator } from '../evaluation/metrics.ts';
import { NetworkSession } from '../execution/network-session.ts';
import { lower } from '../graph/lower.ts';
import { forward, pixelInput } from '../networks/forward.ts';
import type { Model } from '../networks/model.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import { floats } from '../runtime/runtime.ts';
import type { Runtime, RuntimeTensor, Session, SessionOptions } from '../runtime/runtime.ts';
import { parameterInputs } from './training-graph.ts';
import type { TrainingGraphOptions } from './training-graph.ts';
import type { EvaluatedEpoch } from './training-options.ts';
import { partOf } from './trained-parameters.ts';

const batchSize = 16;

/**
 * Images, how they become the network's input, and what is done about those that cannot be decoded.
 */
export type EvaluatedImages = Pick<ImageLoaderOptions, 'source' | 'preprocessing' | 'strict' | 'onWarning'>;

/** Evaluates vectors of weights on one image folder. */
export class EpochEvaluation {
  readonly #session: Session;
  readonly #options: TrainingGraphOptions;
  readonly #images: EvaluatedImages;
  /** Answers of the network that training started from, per batch; empty without one. */
  readonly #references: readonly Float32Array[];

  private constructor(
    session: Session,
    options: TrainingGraphOptions,
    images: EvaluatedImages,
    references: readonly Float32Array[],
  ) {
    this.#session = session;
    this.#options = options;
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
    start: Model | undefined,
    sessionOptions: SessionOptions,
    images: EvaluatedImages,
  ): Promise<EpochEvaluation> {
    const { network, layout, schedule, method } = options;
    const pixels = pixelInput(network);
    const { inputs, parameters } = parameterInputs(layout, options.start);
    const { answer } = forward(network, pixels, {
      parameters,
      prefixOnlyLastBlock: true,
      reducer: method?.reducer ?? (schedule && diffRate(schedule, network)),
    });
    const session = await runtime.load(lower({ answer }, [pixels, ...inputs]), sessionOptions);
    // Every epoch reads the images again.
    const told = { ...images, onWarning: onceEach(images.onWarning) };
    const evaluation = new EpochEvaluation(session, options, told, []);
    if (start === undefined) return evaluation;
    const references: Float32Array[] = [];
    let plain: NetworkSession | undefined;
    try {
      plain = await NetworkSession.load(start, { ...sessionOptions, runtime });
      for await (const { pixels: values } of evaluation.#loader()) references.push(await plain.run(values));
    } catch (error) {
      await session.dispose();
      throw error;
    } finally {
      await plain?.dispose();
    }
    return new EpochEvaluation(session, options, told, references);
  }

  /** Evaluates a vector of weights. */
  async run(weights: Float32Array): Promise<EvaluatedEpoch> {
    const { layout, network, objective } = this.#options;
    const feeds: Record<string, RuntimeTensor> = Object.fromEntries(
      layout.parameters.map((parameter) => [parameter.name, floats(partOf(weights, parameter), parameter.shape)]),
    );
    const metrics = new MetricAccumulator(network.answers, objective);
    let batch = 0;
    for await (const { pixels, shape, labels } of this.#loader()) {
      const results = await this.#session.run({ ...feeds, pixel_values: floats(pixels, shape) });
      const reference = this.#references[batch];
      batch += 1;
      metrics.add({
        answers: results['answer']?.data as Float32Array,
        ...(reference === undefined ? {} : { reference }),
        ...(labels === undefined ? {} : { labels }),
      });
    }
    const { top1, loss, kl, objective: distance } = metrics.result();
    return { top1, loss, kl, objective: distance };
  }

  /** Frees the graph. */
  async dispose(): Promise<void> {
    await this.#session.dispose();
  }

  async *#loader(): AsyncGenerator<{ pixels: Float32Array; shape: readonly number[]; labels?: Int32Array }> {
    const loader = createImageLoader({ ...this.#images, batchSize });
    try {
      yield* loader;
    } finally {
      await loader.close();
    }
  }
}
