/**
 * Accuracy of networks on an image folder, and their agreement with the uncompressed network. Every image is decoded once;
 * the plain network (or another one to compare with) and all compressed ones see the same batches.
 */
import { DiffrateError } from '../errors.ts';
import { countFlops } from '../cost/flops.ts';
import { sumMethodFlops } from '../cost/method-flops.ts';
import { createImageLoader } from '../data/batches.ts';
import type { SkippedImage } from '../data/batches.ts';
import { checkLabels } from '../data/image-folder.ts';
import type { ImageFolder } from '../data/image-folder.ts';
import { tokenCount } from '../models/configuration.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import { uncompressed } from '../reduction/schedule.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { keepAllTokens } from '../reduction/token-reducer.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import { MetricAccumulator } from './metrics.ts';
import type { Metrics } from './metrics.ts';
import { NetworkSession } from '../loading/network-session.ts';
import type { Network } from '../loading/network-session.ts';

/** One way to run the network: by a schedule, by any other reducer, or (with neither) uncompressed. */
export interface Variant {
  /** Kept numbers, for DiffRate. They must fit the network: see `validateSchedule`. */
  readonly schedule?: KeptNumbers;
  /** Name or file of the schedule, for the result. */
  readonly scheduleName?: string;
  /** A method with its parameters, in place of a schedule. */
  readonly reducer?: TokenReducer;
  /** FLOPs of that method by the paper's count, in 10⁹ multiply-accumulates, where they are known; of a ragged one they are measured. */
  readonly gflops?: number;
}

/** How to evaluate. */
export interface EvaluationOptions extends SessionOptions {
  readonly folder: ImageFolder;
  /** Network whose answers agreement and KL compare with, all its tokens kept; by default the evaluated one itself. */
  readonly reference?: Network | undefined;
  /** Images per batch, default 16. */
  readonly batchSize?: number;
  /** Fail at the first image that cannot be decoded instead of leaving it out. */
  readonly strict?: boolean;
  /** Called once for each image that is left out. */
  readonly onWarning?: (message: string) => void;
  /** Called after each batch. */
  readonly onProgress?: (progress: EvaluationProgress) => void;
  /** Called with every batch of logits `[B, classes]`, for measures of one's own. */
  readonly onLogits?: (batch: VariantLogits) => void;
}

/** Logits of one variant on one batch. */
export interface VariantLogits {
  /** Position in the list of variants. */
  readonly variant: number;
  /** Positions in `folder.images`, `[B]`. */
  readonly indices: Int32Array;
  /** `[B, classes]` */
  readonly logits: Float32Array;
}

/** How far an evaluation is. */
export interface EvaluationProgress {
  readonly images: number;
  /** Images in the folder. */
  readonly of: number;
  /** Images per second so far, decoding and every network included. */
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
}

/** What an evaluation finds; see `Metrics` for units. */
export interface EvaluationResult extends Metrics {
  readonly model: string;
  /** Name of the method (`uncompressed`, `diffrate`, …). */
  readonly method: string;
  /** Name or file of the schedule; `null` without one. */
  readonly schedule: string | null;
  readonly skipped: readonly SkippedImage[];
  /** FLOPs by the paper's count, in 10⁹ multiply-accumulates, of a ragged method the mean over images; `null` where they are not known. */
  readonly gflops: number | null;
  /** Images per second of this network alone: decoding takes place in other threads and does not count. */
  readonly imagesPerSecond: number;
}

interface RunningVariant {
  readonly variant: Variant;
  readonly reducer: TokenReducer;
  readonly session: NetworkSession;
  readonly metrics: MetricAccumulator;
  milliseconds: number;
  /** Of all images so far, where the reducer is ragged. */
  flops: number;
}

const defaultBatchSize = 16;

/** Evaluates one variant; see `evaluateVariants`. */
export async function evaluateModel(model: Network, options: EvaluationOptions & Variant): Promise<EvaluationResult> {
  const [result] = await evaluateVariants(model, [options], options);
  if (result === undefined) throw new RangeError('one variant has one result');
  return result;
}

/**
 * Evaluates several variants of a network on the same images, in one pass over the folder.
 *
 * Without labels `top1`, `top5` and `loss` are `null`. For an encoder without a head all metrics are.
 * @throws DiffrateError if a label is out of range, no image can be decoded, or (`strict`) one cannot
 */
export async function evaluateVariants(
  model: Network,
  variants: readonly Variant[],
  options: EvaluationOptions,
): Promise<EvaluationResult[]> {
  const { folder, batchSize = defaultBatchSize, strict, onWarning, onProgress, onLogits } = options;
  const { configuration } = model;
  const { reference: compared = model } = options;
  checkLabels(folder, configuration.classes);
  checkReference(model, compared);
  const loader = createImageLoader({
    folder,
    preprocessing: configuration.preprocessing,
    batchSize,
    strict,
    onWarning,
  });
  const sessions: NetworkSession[] = [];
  const load = async (reducer: TokenReducer, network = model): Promise<NetworkSession> => {
    const session = await NetworkSession.load(network, {
      ...options,
      batch: batchSize,
      reducer: reducer === keepAllTokens ? undefined : reducer,
    });
    sessions.push(session);
    return session;
  };
  try {
    const plain = await load(keepAllTokens, compared);
    const running: RunningVariant[] = [];
    for (const variant of variants) {
      const reducer = reducerOf(model, variant);
      const session = reducer === keepAllTokens && compared === model ? plain : await load(reducer);
      running.push({
        variant,
        reducer,
        session,
        metrics: new MetricAccumulator(configuration.classes),
        milliseconds: 0,
        flops: 0,
      });
    }
    const started = performance.now();
    let images = 0;
    for await (const { pixels, labels, indices, shape } of loader) {
      const before = performance.now();
      const reference = await plain.run(pixels);
      const plainMilliseconds = performance.now() - before;
      for (const [variant, entry] of running.entries()) {
        const start = performance.now();
        const { logits, tokensPerBlock } =
          entry.session === plain ? { logits: reference } : await entry.session.runCounted(pixels);
        entry.flops += tokensPerBlock === undefined ? 0 : sumMethodFlops(configuration, tokensPerBlock);
        entry.milliseconds += entry.session === plain ? plainMilliseconds : performance.now() - start;
        if (configuration.classes > 0) entry.metrics.add({ logits, reference, labels });
        onLogits?.({ variant, indices, logits });
      }
      images += shape[0];
      onProgress?.(progressOf(images, folder.images.length, performance.now() - started));
    }
    return running.map((entry) => resultOf(model, entry, images, loader.skipped));
  } finally {
    await loader.close();
    await Promise.all(sessions.map((session) => session.dispose()));
  }
}

/** Both must answer the same question of the same pixels. */
function checkReference(model: Network, reference: Network): void {
  const [own, other] = [model.configuration, reference.configuration];
  const reads = ({ inputSize, classes, preprocessing }: typeof own): string =>
    JSON.stringify([inputSize, classes, preprocessing.mean, preprocessing.std]);
  if (reads(own) === reads(other)) return;
  throw new DiffrateError(
    `${reference.name} reads other images than ${model.name}, or names other classes: compare with the network that this one was made from.`,
  );
}

function reducerOf({ configuration }: Network, { schedule, reducer }: Variant): TokenReducer {
  if (schedule !== undefined && reducer !== undefined)
    throw new DiffrateError('Give a schedule or a reducer, not both.');
  if (schedule !== undefined) return diffRate(schedule, tokenCount(configuration));
  return reducer ?? keepAllTokens;
}

function progressOf(images: number, of: number, milliseconds: number): EvaluationProgress {
  const imagesPerSecond = images / (milliseconds / 1000);
  return { images, of, imagesPerSecond, secondsLeft: (of - images) / imagesPerSecond };
}

function resultOf(
  model: Network,
  entry: RunningVariant,
  images: number,
  skipped: readonly SkippedImage[],
): EvaluationResult {
  const { variant, reducer, metrics, milliseconds } = entry;
  return {
    model: model.name,
    method: reducer.name,
    schedule: variant.scheduleName ?? null,
    ...metrics.result(),
    images,
    skipped,
    gflops: reducer.ragged === true ? entry.flops / images / 1e9 : gflopsOf(model, variant),
    imagesPerSecond: images / (milliseconds / 1000),
  };
}

function gflopsOf({ configuration }: Network, { schedule, reducer, gflops }: Variant): number | null {
  if (gflops !== undefined) return gflops;
  if (reducer !== undefined && schedule === undefined && reducer !== keepAllTokens) return null;
  return (
    countFlops(configuration, schedule ?? uncompressed(configuration.depth, tokenCount(configuration))).total / 1e9
  );
}
