/**
 * What the files of an exported folder are worth: each is read back from disk and runs as it is,
 * beside the plain network in fp32, on the same images and in turns.
 */
import { cpus } from 'node:os';
import { join } from 'node:path';
import { baselineFlops, countFlops, flopsPerGflop } from '../cost/flops.ts';
import { countGraphFlops } from '../cost/graph-flops.ts';
import type { DecodedImages } from '../data/decoded-images.ts';
import type { SkippedImage } from '../data/batches.ts';
import { countImages, searchImagesRemark } from '../data/different-images.ts';
import type { ImageSource } from '../data/image-source.ts';
import { messageOf } from '../errors.ts';
import { evaluateEach } from '../evaluation/evaluate.ts';
import type { EvaluationResult, Variant } from '../evaluation/evaluation-options.ts';
import type { Measurements } from '../evaluation/measurements.ts';
import { namesClasses, PredictionRecord } from '../evaluation/predictions.ts';
import type { ImagePrediction } from '../evaluation/predictions.ts';
import { measureEach, randomPixels } from '../evaluation/throughput.ts';
import type { ThroughputRun } from '../evaluation/throughput.ts';
import { NetworkSession } from '../execution/network-session.ts';
import { precisionRemark } from '../exporting/measured-precision.ts';
import type { MeasuredPrecision } from '../exporting/measured-precision.ts';
import { dtypeDevices, modelFileName } from '../exporting/precision.ts';
import type { ExportDtype } from '../exporting/precision.ts';
import { readOnnxFile } from '../exporting/read-onnx-file.ts';
import type { Model } from '../networks/model.ts';
import type { Parameters as NetworkParameters } from '../nn/parameters.ts';
import { requireFinite } from '../objectives/answer-rows.ts';
import type { Objective } from '../objectives/objective.ts';
import type { OnnxFile } from '../onnx/onnx-file.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import type { Schedule } from '../reduction/schedule.ts';
import { guardedRuntime } from '../runtime/guarded-runtime.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import type { Runtime, SessionOptions } from '../runtime/runtime.ts';
import { imagesInWords } from './images-in-words.ts';
import { availableCores } from '../threads/available-cores.ts';
import type { CompressProgress } from './compress-options.ts';

/** What to measure, and on what. */
export interface FileMeasurement {
  readonly model: Model;
  /** The exported folder. */
  readonly directory: string;
  /** What is fixed in its files. */
  readonly schedule: Schedule;
  /** Weights in its files, where these are corrected ones. */
  readonly parameters?: NetworkParameters | undefined;
  readonly dtypes: readonly ExportDtype[];
  /** Without images only throughput is measured. */
  readonly images: ImageSource | undefined;
  /** Images that the schedule was searched on: the figures say how many of these are measured. */
  readonly searched: ImageSource | undefined;
  /** Those of them that could not be decoded. */
  readonly skipped?: readonly SkippedImage[] | undefined;
  readonly objective: Objective | undefined;
  readonly session: SessionOptions;
  readonly runtime: Runtime | undefined;
  readonly decoded: DecodedImages | undefined;
  readonly strict: boolean | undefined;
  readonly onWarning: ((message: string) => void) | undefined;
  readonly onProgress: (progress: CompressProgress) => void;
}

/** Measurements of the network in fp32, and of each file. */
export interface MeasuredFiles extends Measurements {
  readonly precisions: readonly MeasuredPrecision[];
  /**
   * What both networks say of each evaluated image, the compressed one in fp32. `null` without
   * images, and where answers name no classes.
   */
  readonly predictions: readonly ImagePrediction[] | null;
}

/** A network that runs beside the plain one. */
interface Candidate {
  /** `null`: fp32 in memory, the yardstick where no file of it was asked for. */
  readonly dtype: ExportDtype | null;
  readonly file?: OnnxFile;
  evaluation: EvaluationResult | null;
  runs: readonly ThroughputRun[];
  failure: string | null;
}

const batches = [1, 16];

/**
 * Measures the files. A precision other than fp32 that does not run on this device is recorded with
 * the reason.
 * @throws {DiffrateError} where the plain network or the compressed one in fp32 cannot be run, or
 *   gives no finite numbers, and where images cannot be used.
 */
export async function measureFiles(request: FileMeasurement): Promise<MeasuredFiles> {
  const { model, schedule, dtypes, images, searched, session } = request;
  const candidates: Candidate[] = [];
  if (!dtypes.includes('fp32')) candidates.push({ dtype: null, ...unmeasured });
  for (const dtype of dtypes) candidates.push(await readCandidate(request, dtype));
  const { before, predictions } =
    images === undefined ? await probe(request, candidates) : await evaluate(request, images, candidates);
  await time(request, candidates);
  // A search that was done before this process began knows of no damaged images.
  const skipped = [...(request.skipped ?? []), ...(images === searched ? (before?.skipped ?? []) : [])];
  const few = searched && searchImagesRemark(await countImages(searched, skipped));
  const remarks = [...new Set([few, searched?.remark, images?.remark])].filter((remark) => remark !== undefined);
  const yardstick = candidates.find(isYardstick);
  const { evaluation: after = null, runs = [] } = yardstick ?? {};
  return {
    gflops: gflopsOf(model, schedule),
    evaluation: before === null || after === null ? null : { before, after },
    ...(after === null || images === undefined
      ? {}
      : { data: await imagesInWords(after.images, images, searched, after.skipped) }),
    ...(remarks.length === 0 ? {} : { remarks }),
    runs,
    ...machineOf(runs, session.threads),
    predictions,
    precisions: candidates.flatMap(({ dtype, ...candidate }) =>
      dtype === null ? [] : [precisionOf(dtype, candidate, { evaluation: after, written: dtypes.includes('fp32') })],
    ),
  };
}

/** What stands for the compressed network where one is meant. */
const isYardstick = ({ dtype }: Candidate): boolean => dtype === null || dtype === 'fp32';

const unmeasured = { evaluation: null, runs: [], failure: null } as const;

const pathOf = (dtype: ExportDtype): string => `onnx/${modelFileName(dtype)}`;

async function readCandidate({ directory }: FileMeasurement, dtype: ExportDtype): Promise<Candidate> {
  const candidate: Candidate = { dtype, ...unmeasured };
  try {
    return { ...candidate, file: await readOnnxFile(join(directory, pathOf(dtype))) };
  } catch (error) {
    fail(candidate, error);
    return candidate;
  }
}

/** Records why a candidate cannot be measured; nothing is worth anything where fp32 cannot. */
function fail(candidate: Candidate, error: unknown): void {
  if (candidate.dtype === null || candidate.dtype === 'fp32') throw error;
  candidate.failure = messageOf(error).replace(/\s+/g, ' ').trim();
}

const running = (candidates: readonly Candidate[]): Candidate[] => candidates.filter(({ failure }) => failure === null);

/** What the plain network is worth, and what it and the compressed one say of each image. */
interface PlainFigures {
  readonly before: EvaluationResult | null;
  readonly predictions: readonly ImagePrediction[] | null;
}

/** Evaluates all candidates. */
async function evaluate(
  request: FileMeasurement,
  folder: ImageSource,
  candidates: readonly Candidate[],
): Promise<PlainFigures> {
  const { model, schedule, parameters, objective, session, runtime, decoded, strict, onWarning, onProgress } = request;
  const evaluated = running(candidates);
  const variants: Variant[] = [{}, ...evaluated.map(({ file }) => ({ schedule, parameters, file }))];
  const { answers } = model.network;
  const compared = 1 + evaluated.findIndex(isYardstick);
  const record = namesClasses(answers) ? new PredictionRecord(folder.images, answers, compared) : undefined;
  const [before = null, ...results] = await evaluateEach(model, variants, {
    ...session,
    images: folder,
    objective,
    runtime,
    decoded,
    strict,
    onWarning,
    onProgress: (progress) => onProgress({ stage: 'evaluation', ...progress }),
    onAnswers: (batch) => record?.add(batch),
    onFailure: failureOf(evaluated, 1),
  });
  for (const [index, candidate] of evaluated.entries()) candidate.evaluation = results[index] ?? null;
  return { before, predictions: record?.result() ?? null };
}

/** Without images: whether answers are finite numbers at all, on random pixels. */
async function probe(request: FileMeasurement, candidates: readonly Candidate[]): Promise<PlainFigures> {
  const { model, schedule, parameters = model.parameters, session } = request;
  const runtime = guardedRuntime(request.runtime ?? nodeRuntime);
  const { network } = model;
  const answer = async (candidate: Pick<Candidate, 'file'>): Promise<void> => {
    const reducer = diffRate(schedule, network);
    const built = { network, parameters };
    const loaded = await NetworkSession.load(built, { ...session, runtime, reducer, file: candidate.file });
    try {
      requireFinite(await loaded.run(randomPixels(network, 1, 0)));
    } finally {
      await loaded.dispose();
    }
  };
  for (const candidate of running(candidates)) {
    try {
      await answer(candidate);
    } catch (error) {
      fail(candidate, error);
    }
  }
  return { before: null, predictions: null };
}

/** Times all candidates that could be run so far. */
async function time(request: FileMeasurement, candidates: readonly Candidate[]): Promise<void> {
  const { model, schedule, parameters, session, runtime, onProgress } = request;
  const timed = running(candidates);
  const variants = timed.map(({ file }) => ({ schedule, parameters, file }));
  const runs = await measureEach(model, variants, {
    ...session,
    runtime,
    batches,
    onProgress: (done, of) => onProgress({ stage: 'throughput', done, of }),
    onFailure: failureOf(timed, 0),
  });
  for (const [index, candidate] of timed.entries()) candidate.runs = runs[index] ?? [];
}

/**
 * Finds the candidate that failed.
 * @param first its position in the list of variants; those before may not fail.
 */
function failureOf(candidates: readonly Candidate[], first: number): (variant: number, error: unknown) => void {
  return (variant, error) => {
    const candidate = candidates[variant - first];
    if (candidate === undefined) throw error;
    fail(candidate, error);
  };
}

function precisionOf(
  dtype: ExportDtype,
  { file, evaluation, runs, failure }: Omit<Candidate, 'dtype'>,
  yardstick: Parameters<typeof precisionRemark>[1],
): MeasuredPrecision {
  return {
    dtype,
    file: pathOf(dtype),
    bytes: (file?.bytes.length ?? 0) + (file?.externalData?.data.length ?? 0),
    evaluation,
    runs,
    failure,
    remark: precisionRemark({ dtype, evaluation, failure }, yardstick),
    runsOn: dtypeDevices(dtype).short,
  };
}

function gflopsOf({ network }: Model, schedule: Schedule): Measurements['gflops'] {
  return {
    before: baselineFlops(network).total / flopsPerGflop,
    after: countFlops(network, schedule).total / flopsPerGflop,
    realBefore: countGraphFlops(network) / flopsPerGflop,
    realAfter: countGraphFlops(network, diffRate(schedule, network)) / flopsPerGflop,
  };
}

/** The processor, and how much of it was used, where that is what the runs were timed on. */
function machineOf(runs: readonly ThroughputRun[], threads: number | undefined): { machine?: string } {
  const processor = cpus()[0]?.model.trim();
  return runs.every(({ device }) => device === 'cpu') && processor
    ? {
        machine:
          threads === undefined
            ? `${counted(availableCores(), 'core')} of ${processor}`
            : `${counted(threads, 'thread')} on ${processor}`,
      }
    : {};
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
