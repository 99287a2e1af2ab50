/**
 * Images that no step trains on. They decide which parameters are kept: a correction that is
 * better on the images that it was trained on alone is no correction.
 */
import { createImageLoader } from '../data/batches.ts';
import type { SkippedImage } from '../data/batches.ts';
import type { ImageSource } from '../data/image-source.ts';
import { onceEach } from '../data/skipped-images.ts';
import { lower } from '../graph/lower.ts';
import { forward, pixelInput } from '../networks/forward.ts';
import type { Model } from '../networks/model.ts';
import type { Objective } from '../objectives/objective.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import type { Schedule } from '../reduction/schedule.ts';
import { floats } from '../runtime/runtime.ts';
import type { Runtime, RuntimeTensor, Session, SessionOptions } from '../runtime/runtime.ts';
import { parameterInputs } from '../training/training-graph.ts';
import { partOf } from '../training/trained-parameters.ts';
import type { ParameterLayout } from '../training/trained-parameters.ts';
import type { CorrectionOptions } from './correction-options.ts';

/** Images per run. */
const batchSize = 16;

/** How far the compressed network is from the plain one, on images that nothing is trained on. */
export interface HeldOutLoss {
  /** Mean distance by the objective. */
  readonly value: number;
  /** Images that could be decoded. */
  readonly images: number;
}

/** What a held-out loss is computed of. */
export interface HeldOutRequest {
  readonly model: Model;
  readonly schedule: Schedule;
  readonly layout: ParameterLayout;
  readonly objective: Objective;
  readonly images: ImageSource;
  /** Targets `[B, T]` of pixels, by the plain network. */
  readonly targetsOf: (pixels: Float32Array) => Promise<Float32Array>;
}

/** The compressed network with the corrected parameters as inputs. */
export class HeldOutImages {
  readonly #session: Session;
  readonly #request: HeldOutRequest;
  readonly #reading: Pick<CorrectionOptions, 'decoded' | 'strict' | 'onWarning'>;
  /** Of each batch, once it was run. */
  readonly #targets: Float32Array[] = [];
  #skipped: readonly SkippedImage[] = [];

  private constructor(session: Session, request: HeldOutRequest, { decoded, strict, onWarning }: CorrectionOptions) {
    this.#session = session;
    this.#request = request;
    // Every look reads the images again.
    this.#reading = { decoded, strict, onWarning: onceEach(onWarning) };
  }

  /** Builds and loads the graph. */
  static async load(
    runtime: Runtime,
    request: HeldOutRequest,
    session: SessionOptions,
    options: CorrectionOptions,
  ): Promise<HeldOutImages> {
    const { model, schedule, layout } = request;
    const { network } = model;
    const pixels = pixelInput(network);
    const { inputs, parameters } = parameterInputs(layout, model.parameters);
    const reducer = diffRate(schedule, network);
    const { answer } = forward(network, pixels, { parameters, reducer, prefixOnlyLastBlock: true });
    return new HeldOutImages(await runtime.load(lower({ answer }, [pixels, ...inputs]), session), request, options);
  }

  /** Images that could not be decoded. */
  get skipped(): readonly SkippedImage[] {
    return this.#skipped;
  }

  /** The loss of a vector of parameters. */
  async loss(vector: Float32Array): Promise<HeldOutLoss> {
    const { layout, objective, images: source, model, targetsOf } = this.#request;
    const { targetSize } = objective;
    const feeds: Record<string, RuntimeTensor> = Object.fromEntries(
      layout.parameters.map((parameter) => [parameter.name, floats(partOf(vector, parameter), parameter.shape)]),
    );
    const loader = createImageLoader({
      source,
      preprocessing: model.preprocessing,
      batchSize,
      ...this.#reading,
    });
    let [sum, images, batch] = [0, 0, 0];
    try {
      for await (const { pixels, shape } of loader) {
        const results = await this.#session.run({ ...feeds, pixel_values: floats(pixels, shape) });
        const answers = results['answer']?.data as Float32Array;
        const targets = (this.#targets[batch] ??= await targetsOf(pixels));
        const [count] = shape;
        const width = answers.length / count;
        for (let image = 0; image < count; image++) {
          const target = targets.subarray(image * targetSize, (image + 1) * targetSize);
          sum += objective.distance(target, answers.subarray(image * width, (image + 1) * width));
        }
        images += count;
        batch += 1;
      }
    } finally {
      await loader.close();
    }
    this.#skipped = loader.skipped;
    return { value: sum / images, images };
  }

  /** Frees the graph. */
  async dispose(): Promise<void> {
    await this.#session.dispose();
  }
}
