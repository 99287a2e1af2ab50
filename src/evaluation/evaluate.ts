/**
 * Accuracy of networks on an image folder, and how near they are to the uncompressed network. Every
 * image is decoded once; the plain network (or another one to compare with) and all compressed ones
 * see the same batches.
 */
import { DiffrateError } from '../errors.ts';
import { baselineFlops, countFlops, flopsPerGflop } from '../cost/flops.ts';
import { sumMethodFlops } from '../cost/method-flops.ts';
import { createImageLoader } from '../data/batches.ts';
import type { SkippedImage } from '../data/batches.ts';
import { checkLabels } from '../data/image-source.ts';
import type { ImageSource } from '../data/image-source.ts';
import { openImages } from '../data/open-images.ts';
import { NetworkSession } from '../execution/network-session.ts';
import { requireKnownOptions } from '../options/known-options.ts';
import { imagesFor } from '../networks/model.ts';
import type { Model } from '../networks/model.ts';
import { requireFinite } from '../objectives/answer-rows.ts';
import type { OnnxFile } from '../onnx/onnx-file.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import { keepAllTokens } from '../reduction/token-reducer.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import { guardedRuntime } from '../runtime/guarded-runtime.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import { evaluationOptionNames } from './evaluation-options.ts';
import type {
  EachEvaluationOptions,
  EvaluationOptions,
  EvaluationProgress,
  EvaluationResult,
  Variant,
} from './evaluation-options.ts';
import { classesOf, MetricAccumulator } from './metrics.ts';

interface RunningVariant {
  /** Position in the list of variants. */
  readonly index: number;
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
  requireKnownOptions(options, evaluationOptionNames, 'evaluation');
  const [result] = await evaluateVariants(model, [options], options);
  if (result === undefined) throw new RangeError('one variant has one result');
  return result;
}

/**
 * Evaluates several variants of a network on the same images, in one pass over the folder.
 *
 * `top1`, `top5` and `loss` are of the images that have a label, and `null` where none has; so is
 * whatever the network gives nothing of.
 * @throws DiffrateError if a label is out of range, a schedule has another number of blocks, no
 *   image can be decoded, or (`strict`) one cannot
 */
export async function evaluateVariants(
  model: Model,
  variants: readonly Variant[],
  options: EvaluationOptions,
): Promise<EvaluationResult[]> {
  const onFailure = (_: number, error: unknown): void => {
    throw error;
  };
  const results = await evaluateEach(model, variants, { ...options, onFailure });
  return results.flatMap((result) => result ?? []);
}

/**
 * Evaluates several variants as `evaluateVariants` does. One that fails need not cost the others
 * their results; its own is `null`.
 * @throws DiffrateError as `evaluateVariants`, and where the network to compare with fails
 */
export async function evaluateEach(
  model: Model,
  variants: readonly Variant[],
  options: EachEvaluationOptions,
): Promise<(EvaluationResult | null)[]> {
  const { batchSize = defaultBatchSize, strict, objective, decoded } = options;
  const { onWarning, onProgress, onAnswers, onFailure } = options;
  const source = imagesFor(model, await openImages(options.images, { strict, onWarning }), { strict, onWarning });
  const { reference: compared = model } = options;
  const runtime = guardedRuntime(options.runtime ?? nodeRuntime);
  const { network, preprocessing } = model;
  const reducers = checkEvaluation(model, variants, source, compared);
  const loader = createImageLoader({ source, preprocessing, batchSize, strict, decoded, onWarning });
  const sessions: NetworkSession[] = [];
  const load = async (reducer: TokenReducer, loaded: Model, file?: OnnxFile): Promise<NetworkSession> => {
    const session = await NetworkSession.load(loaded, {
      ...options,
      runtime,
      batch: batchSize,
      reducer: reducer === keepAllTokens ? undefined : reducer,
      file,
    });
    sessions.push(session);
    return session;
  };
  try {
    const plain = await load(keepAllTokens, compared);
    const running = new Set<RunningVariant>();
    for (const [index, variant] of variants.entries()) {
      const reducer = reducers[index] ?? keepAllTokens;
      const { parameters = model.parameters, file } = variant;
      const isOwn = parameters === model.parameters && file === undefined;
      const isPlain = reducer === keepAllTokens && compared === model && isOwn;
      try {
        running.add({
          index,
          variant,
          reducer,
          session: isPlain ? plain : await load(reducer, { ...model, parameters }, file),
          metrics: new MetricAccumulator(network.answers, objective),
          milliseconds: 0,
          flops: 0,
        });
      } catch (error) {
        onFailure(index, error);
      }
    }
    const started = performance.now();
    let images = 0;
    for await (const { pixels, labels, indices, shape } of loader) {
      const before = performance.now();
      const reference = await plain.run(pixels);
      const plainMilliseconds = performance.now() - before;
      requireFinite(reference);
      for (const entry of running) {
        const start = performance.now();
        try {
          const { answers, tokensPerBlock } =
            entry.session === plain ? { answers: reference } : await entry.session.runCounted(pixels);
          entry.flops += tokensPerBlock === undefined ? 0 : sumMethodFlops(network, tokensPerBlock);
          entry.milliseconds += entry.session === plain ? plainMilliseconds : performance.now() - start;
          entry.metrics.add({ answers, reference, labels });
          onAnswers?.({ variant: entry.index, indices, answers });
        } catch (error) {
          running.delete(entry);
          onFailure(entry.index, error);
        }
      }
      images += shape[0];
      onProgress?.(progressOf(images, source.images.length, performance.now() - started));
    }
    const results = new Map([...running].map((entry) => [entry.index, resultOf(model, entry, images, loader.skipped)]));
    return variants.map((_, index) => results.get(index) ?? null);
  } finally {
    await loader.close();
    await Promise.all(sessions.map((session) => session.dispose()));
  }
}

/**
 * Checks an evaluation; nothing is run.
 * @param source with the labels that the model knows its images by.
 * @returns what reduces tokens, of each variant.
 * @throws {DiffrateError} as `evaluateVariants` does before it runs anything.
 */
export function checkEvaluation(
  model: Model,
  variants: readonly Variant[],
  source: ImageSource,
  reference: Model = model,
): TokenReducer[] {
  checkLabels(source, classesOf(model.network.answers));
  checkReference(model, reference);
  return variants.map((variant) => reducerOf(model, variant));
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

function reducerOf({ network }: Model, { schedule, reducer, file }: Variant): TokenReducer {
  if (file !== undefined && reducer?.ragged === true)
    throw new DiffrateError(`A file cannot tell how many tokens ${reducer.name} keeps: evaluate the method itself.`);
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
