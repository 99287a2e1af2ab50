/**
 * Accuracy of networks on an image folder, and how near they are to the uncompressed network. Every image is decoded
 * once; the plain network (or another one to compare with) and all compressed ones see the same batches.
 */
import { DiffrateError } from '../errors.ts';
import { baselineFlops, countFlops, flopsPerGflop } from '../cost/flops.ts';
import { sumMethodFlops } from '../cost/method-flops.ts';
import { createImageLoader } from '../data/batches.ts';
import type { SkippedImage } from '../data/batches.ts';
import type { DecodedImages } from '../data/decoded-images.ts';
import { checkLabels } from '../data/image-folder.ts';
import type { ImageFolder } from '../data/image-folder.ts';
import { NetworkSession } from '../execution/network-session.ts';
import type { Model } from '../networks/model.ts';
import type { Objective } from '../objectives/objective.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { keepAllTokens } from '../reduction/token-reducer.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import type { Runtime, SessionOptions } from '../runtime/runtime.ts';
import { classesOf, MetricAccumulator } from './metrics.ts';
import type { Metrics } from './metrics.ts';

/** One way to run the network: by a schedule, by any other reducer, or (with neither) uncompressed. */
export interface Variant {
  /** Kept numbers, for DiffRate. They must fit the network: see `validateSchedule`. */
  readonly schedule?: KeptNumbers;
  /** Name or file of the schedule, for the result. */
  readonly scheduleName?: string;
  /** A method with its parameters, in place of a schedule. */
  readonly reducer?: TokenReducer;
  /**
   * FLOPs of that method by the paper's count, in 10⁹ multiply-accumulates, where they are known; of a ragged one they
   * are measured.
   */
  readonly gflops?: number;
}

/** How to evaluate. */
export interface EvaluationOptions extends SessionOptions {
  readonly folder: ImageFolder;
  /** Network whose answers these are compared with, all its tokens kept; by default the evaluated one itself. */
  readonly reference?: Model | undefined;
  /** What "the same answers" means; by default what fits the network's answers. */
  readonly objective?: Objective | undefined;
  /** Where images may be decoded already, and are kept for those that want them next. */
  readonly decoded?: DecodedImages | undefined;
  /** Where networks run; by default ONNX Runtime for Node. */
  readonly runtime?: Runtime | undefined;
  /** Images per batch, default 16. */
  readonly batchSize?: number;
  /** Fail at the first image that cannot be decoded instead of leaving it out. */
  readonly strict?: boolean;
  /** Called once for each image that is left out. */
  readonly onWarning?: (message: string) => void;
  /** Called after each batch. */
  readonly onProgress?: (progress: EvaluationProgress) => void;
  /** Called with every batch of answers `[B, D]`, for measures of one's own. */
  readonly onAnswers?: (batch: VariantAnswers) => void;
}

/** Answers of one variant on one batch. */
export interface VariantAnswers {
  /** Position in the list of variants. */
  readonly variant: number;
  /** Positions in `folder.images`, `[B]`. */
  readonly indices: Int32Array;
  /** `[B, D]`: the logits of a classifier, the features of an encoder. */
  readonly answers: Float32Array;
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
  /**
   * FLOPs by the paper's count, in 10⁹ multiply-accumulates, of a ragged method the mean over images; `null` where they
   * are not known.
   */
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
export async function evaluateModel(model: Model, options: EvaluationOptions & Variant): Promise<EvaluationResult> {
  const [result] = await evaluateVariants(model, [options], options);
  if (result === undefined) throw new RangeError('one variant has one result');
  return result;
}

/**
 * Evaluates several variants of a network on the same images, in one pass over the folder.
 *
 * Without labels `top1`, `top5` and `loss` are `null`, and so is whatever the network gives nothing of.
 * @throws DiffrateError if a label is out of range, a schedule has another number of blocks, no image can be decoded,
 *   or (`strict`) one cannot
 */
export async function evaluateVariants(
  model: Model,
  variants: readonly Variant[],
  options: EvaluationOptions,
): Promise<EvaluationResult[]> {
  const { folder, batchSize = defaultBatchSize, strict, objective, decoded } = options;
  const { onWarning, onProgress, onAnswers } = options;
  const { reference: compared = model, runtime = nodeRuntime } = options;
  const { network, preprocessing } = model;
  checkLabels(folder, classesOf(network.answers));
  checkReference(model, compared);
  const reducers = variants.map((variant) => reducerOf(model, variant));
  const loader = createImageLoader({ folder, preprocessing, batchSize, strict, decoded, onWarning });
  const sessions: NetworkSession[] = [];
  const load = async (reducer: TokenReducer, loaded = model): Promise<NetworkSession> => {
    const session = await NetworkSession.load(loaded, {
      ...options,
      runtime,
      batch: batchSize,
      reducer: reducer === keepAllTokens ? undefined : reducer,
    });
    sessions.push(session);
    return session;
  };
  try {
    const plain = await load(keepAllTokens, compared);
    const running: RunningVariant[] = [];
    for (const [index, variant] of variants.entries()) {
      const reducer = reducers[index] ?? keepAllTokens;
      running.push({
        variant,
        reducer,
        session: reducer === keepAllTokens && compared === model ? plain : await load(reducer),
        metrics: new MetricAccumulator(network.answers, objective),
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
        const { answers, tokensPerBlock } =
          entry.session === plain ? { answers: reference } : await entry.session.runCounted(pixels);
        entry.flops += tokensPerBlock === undefined ? 0 : sumMethodFlops(network, tokensPerBlock);
        entry.milliseconds += entry.session === plain ? plainMilliseconds : performance.now() - start;
        entry.metrics.add({ answers, reference, labels });
        onAnswers?.({ variant, indices, answers });
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
function checkReference(model: Model, reference: Model): void {
  const reads = ({ network, preprocessing }: Model): string =>
    JSON.stringify([network.input, network.answers, preprocessing.mean, preprocessing.std]);
  if (reads(model) === reads(reference)) return;
  const others = classesOf(model.network.answers) > 0 ? 'names other classes' : 'gives other answers';
  throw new DiffrateError(
    `${reference.name} reads other images than ${model.name}, or ${others}: compare with the network that this one was made from.`,
  );
}

function reducerOf({ network }: Model, { schedule, reducer }: Variant): TokenReducer {
  if (schedule !== undefined && reducer !== undefined)
    throw new DiffrateError('Give a schedule or a reducer, not both.');
  if (schedule === undefined) return reducer ?? keepAllTokens;
  // Lists of another length than the network's are found here, before any image is read.
  countFlops(network, schedule);
  return diffRate(schedule, network);
}

function progressOf(images: number, of: number, milliseconds: number): EvaluationProgress {
  const imagesPerSecond = images / (milliseconds / 1000);
  return { images, of, imagesPerSecond, secondsLeft: (of - images) / imagesPerSecond };
}

function resultOf(
  model: Model,
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
    gflops: reducer.ragged === true ? entry.flops / images / flopsPerGflop : gflopsOf(model, variant),
    imagesPerSecond: images / (milliseconds / 1000),
  };
}

function gflopsOf({ network }: Model, { schedule, reducer, gflops }: Variant): number | null {
  if (gflops !== undefined) return gflops;
  if (schedule !== undefined) return countFlops(network, schedule).total / flopsPerGflop;
  if (reducer !== undefined && reducer !== keepAllTokens) return null;
  return baselineFlops(network).total / flopsPerGflop;
}
