/**
 * What a compression is worth: FLOPs, throughput and accuracy before and after, measured, for the screen and for the
 * model card.
 */
import { cpus } from 'node:os';
import { basename } from 'node:path';
import { baselineFlops, countFlops, flopsPerGflop } from '../cost/flops.ts';
import { countGraphFlops } from '../cost/graph-flops.ts';
import type { DecodedImages } from '../data/decoded-images.ts';
import type { ImageFolder } from '../data/image-folder.ts';
import { evaluateVariants } from '../evaluation/evaluate.ts';
import type { EvaluationResult } from '../evaluation/evaluate.ts';
import { measureThroughput } from '../evaluation/throughput.ts';
import type { ThroughputRun } from '../evaluation/throughput.ts';
import type { Measurements } from '../evaluation/measurements.ts';
import { shownMetrics } from '../evaluation/shown-metrics.ts';
import type { Model } from '../networks/model.ts';
import type { Objective } from '../objectives/objective.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import type { Schedule } from '../reduction/schedule.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import type { SearchOutcome } from '../search/search-options.ts';
import { availableCores } from '../threads/available-cores.ts';
import { evaluationLine } from './evaluation-line.ts';
import { isDistance, metricName, metricValue } from './metric-rows.ts';
import { formatNumber, formatSeconds, formatTable } from './output.ts';
import { withProgress } from './progress.ts';
import type { Progress } from './progress.ts';
import { formatRuns } from './runs-table.ts';

/** What `compress --json` prints. */
export interface CompressionReport extends Measurements {
  readonly model: string;
  readonly out: string;
  /** In 10⁹ multiply-accumulates by the paper's count. */
  readonly target: number;
  readonly schedule: Schedule;
  /** `null` where a published schedule was taken. */
  readonly search: Omit<SearchOutcome, 'schedule' | 'history'> | null;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** Path of `report.html`; `null` where none was wanted or none could be written. */
  readonly report: string | null;
}

/** What to measure on. */
export interface MeasurementRequest extends SessionOptions {
  readonly model: Model;
  readonly schedule: Schedule;
  readonly folder: ImageFolder | undefined;
  readonly strict?: boolean;
  readonly objective: Objective;
  /** Images that were decoded for the search. */
  readonly decoded?: DecodedImages | undefined;
  /** Whether the schedule was searched on the same images: the figures then say so. */
  readonly searched: boolean;
}

const batches = [1, 16];

/** Measures the network with and without the schedule, with progress on standard error. */
export async function measureCompressed(request: MeasurementRequest): Promise<Measurements> {
  const { model, schedule, folder } = request;
  const evaluation =
    folder === undefined ? null : await withProgress((progress) => evaluateBoth(request, folder, progress));
  const runs = await withProgress((progress) => {
    const onProgress = (done: number, of: number): void =>
      progress.update(`measuring throughput: round ${done} of ${of}`);
    return measureThroughput(model, { ...request, batches, onProgress });
  });
  return {
    gflops: gflopsOf(model, schedule),
    evaluation,
    ...(evaluation === null || folder === undefined ? {} : { data: imagesInWords(evaluation.after.images, request) }),
    runs,
    ...machineOf(runs, request.threads),
  };
}

async function evaluateBoth(
  request: MeasurementRequest,
  folder: ImageFolder,
  progress: Progress,
): Promise<Measurements['evaluation']> {
  const [before, after] = await evaluateVariants(request.model, [{}, { schedule: request.schedule }], {
    ...request,
    folder,
    onWarning: (message) => progress.note(`warning: ${message}`),
    onProgress: (report) => progress.update(`evaluating: ${evaluationLine(report)}`),
  });
  return before === undefined || after === undefined ? null : { before, after };
}

function gflopsOf({ network }: Model, schedule: Schedule): Measurements['gflops'] {
  return {
    before: baselineFlops(network).total / flopsPerGflop,
    after: countFlops(network, schedule).total / flopsPerGflop,
    realBefore: countGraphFlops(network) / flopsPerGflop,
    realAfter: countGraphFlops(network, diffRate(schedule, network)) / flopsPerGflop,
  };
}

function imagesInWords(images: number, { folder, searched }: MeasurementRequest): string {
  return `${images} images of ${basename(folder?.directory ?? '')}${searched ? ' (searched on)' : ''}`;
}

/** The processor, and how much of it was used, where that is what the runs were timed on. */
function machineOf(runs: readonly ThroughputRun[], threads: number | undefined): { machine?: string } {
  const processor = cpus()[0]?.model.trim();
  return runs.every(({ device }) => device === 'cpu') && processor
    ? {
        machine:
          threads === undefined
            ? `${availableCores()} cores of ${processor}`
            : `${threads} ${threads === 1 ? 'thread' : 'threads'} on ${processor}`,
      }
    : {};
}

/** The report as text. */
export function formatSummary(report: CompressionReport): string {
  const { model, out, search, gflops, evaluation, runs, schedule, report: file } = report;
  const ratio = (before: number, after: number): string => `${(before / after).toFixed(2)}×`;
  const costs = [
    [
      'GFLOPs, paper’s count',
      formatNumber(gflops.before, 3),
      formatNumber(gflops.after, 3),
      ratio(gflops.before, gflops.after),
    ],
    [
      'GFLOPs really computed',
      formatNumber(gflops.realBefore, 3),
      formatNumber(gflops.realAfter, 3),
      ratio(gflops.realBefore, gflops.realAfter),
    ],
  ];
  const how =
    search === null ? schedule.createdBy : `searched in ${formatSeconds(search.seconds)} (${search.steps} steps)`;
  return [
    `${model} → ${out}, schedule: ${how}`,
    formatTable(['', 'before', 'after', 'ratio'], costs),
    ...(evaluation === null ? [] : [formatAccuracy(evaluation.before, evaluation.after)]),
    formatRuns(runs),
    ...(report.files.some(({ path }) => /_(fp16|quantized)\.onnx$/.test(path))
      ? ['Measured in single precision (fp32); other precisions answer a little differently.']
      : []),
    ...(file === null ? [] : [`report: ${file}`]),
  ].join('\n\n');
}

function formatAccuracy(before: EvaluationResult, after: EvaluationResult): string {
  const rows = shownMetrics(after).map((name) => [
    metricName(name, after),
    isDistance(name) ? '' : metricValue(name, before),
    metricValue(name, after),
  ]);
  return formatTable([`${after.images} images`, 'before', 'after'], rows);
}
