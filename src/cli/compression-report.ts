/** What a compression is worth: FLOPs, throughput and accuracy before and after, measured, for the screen and for the model card. */
import { cpus } from 'node:os';
import { basename } from 'node:path';
import { baselineFlops, countFlops } from '../cost/flops.ts';
import { baselineRealFlops, countRealFlops } from '../cost/real-flops.ts';
import type { ImageFolder } from '../data/image-folder.ts';
import { evaluateVariants } from '../evaluation/evaluate.ts';
import type { EvaluationResult } from '../evaluation/evaluate.ts';
import type { Network } from '../loading/network-session.ts';
import { measureThroughput } from '../evaluation/throughput.ts';
import type { ThroughputRun } from '../evaluation/throughput.ts';
import type { Measured } from '../exporting/model-card.ts';
import type { Schedule } from '../reduction/schedule.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import type { SearchOutcome } from '../search/search-options.ts';
import { evaluationLine } from './evaluation-line.ts';
import { formatNumber, formatSeconds, formatTable } from './output.ts';
import { withProgress } from './progress.ts';
import type { Progress } from './progress.ts';
import { formatRuns } from './runs-table.ts';

/** A cost before and after, in 10⁹ multiply-accumulates. */
export interface BeforeAndAfter {
  readonly before: number;
  readonly after: number;
}

/** What was measured. */
export interface Measurements {
  readonly gflops: BeforeAndAfter & { readonly realBefore: number; readonly realAfter: number };
  /** `null` where there were no images. */
  readonly evaluation: { readonly before: EvaluationResult; readonly after: EvaluationResult } | null;
  /** At batch 1 and 16. */
  readonly runs: readonly ThroughputRun[];
}

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
}

/** What to measure on. */
export interface MeasurementRequest extends SessionOptions {
  readonly model: Network;
  readonly schedule: Schedule;
  readonly folder: ImageFolder | undefined;
  readonly strict?: boolean;
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
  return { gflops: gflopsOf(model, schedule), evaluation, runs };
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

function gflopsOf({ configuration }: Network, schedule: Schedule): Measurements['gflops'] {
  return {
    before: baselineFlops(configuration).total / 1e9,
    after: countFlops(configuration, schedule).total / 1e9,
    realBefore: baselineRealFlops(configuration).total / 1e9,
    realAfter: countRealFlops(configuration, schedule).total / 1e9,
  };
}

/** The figures as the model card takes them; it says so where they come from the images that the schedule was searched on (`searched`). */
export function measuredForCard(
  { evaluation, runs }: CompressionReport,
  folder: ImageFolder | undefined,
  searched: boolean,
): Measured {
  const processor = cpus()[0]?.model.trim();
  const machine =
    runs.every(({ device }) => device === 'cpu') && processor ? `${cpus().length} cores of ${processor}` : undefined;
  const measured: Measured = { throughput: runs, ...(machine === undefined ? {} : { machine }) };
  if (evaluation === null || folder === undefined) return measured;
  const { before, after } = evaluation;
  return {
    ...measured,
    data: `${after.images} images of ${basename(folder.directory)}${searched ? ' (searched on)' : ''}`,
    top1: after.top1,
    baselineTop1: before.top1,
    top5: after.top5,
    baselineTop5: before.top5,
    agreement: after.agreement,
    kl: after.kl,
  };
}

/** The report as text. */
export function formatSummary(report: CompressionReport): string {
  const { model, out, search, gflops, evaluation, runs, schedule } = report;
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
  ].join('\n\n');
}

function formatAccuracy(before: EvaluationResult, after: EvaluationResult): string {
  const rows = [
    ['top-1 %', formatNumber(before.top1, 2), formatNumber(after.top1, 2)],
    ['top-5 %', formatNumber(before.top5, 2), formatNumber(after.top5, 2)],
    ['loss', formatNumber(before.loss, 4), formatNumber(after.loss, 4)],
    ['agreement %', '', formatNumber(after.agreement, 2)],
    ['KL', '', formatNumber(after.kl, 5)],
  ];
  return formatTable([`${after.images} images`, 'before', 'after'], rows);
}
