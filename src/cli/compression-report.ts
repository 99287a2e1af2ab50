/** What `diffrate compress` prints: the figures before and after, for the screen and as JSON. */
import type { CompressionResult, CompressProgress, SearchFigures } from '../compress/compress-options.ts';
import { formatGflops } from '../cost/cost.ts';
import type { EvaluationResult } from '../evaluation/evaluation-options.ts';
import { isDistance, metricName, metricValue } from '../evaluation/metric-rows.ts';
import { shownMetrics } from '../evaluation/shown-metrics.ts';
import { answersVerdict } from '../evaluation/verdict.ts';
import { precisionTable } from '../exporting/measured-precision.ts';
import { correctionLine, correctionOutcome } from './correction-option.ts';
import { formatSelectionChoice } from '../reduction/selection-choice.ts';
import { evaluationLine } from './evaluation-line.ts';
import type { ImageReport } from './image-options.ts';
import { formatSeconds, formatTable } from './output.ts';
import type { Progress } from './progress.ts';
import { formatRuns } from './runs-table.ts';
import { progressLine } from './search-options.ts';

/** What `compress --json` prints. */
export interface CompressionReport
  extends Omit<CompressionResult, 'directory' | 'history' | 'predictions' | 'search'>, ImageReport {
  /** `null` where a published schedule was taken. */
  readonly search: (SearchFigures & { readonly peakMemoryBytes: number }) | null;
  /** The folder, as it was asked for. */
  readonly out: string;
  /** Path of `report.html`; `null` where none was wanted or none could be written. */
  readonly report: string | null;
}

/** Shows how far a compression is; each stage has a line of its own. */
export function progressReporter(progress: Progress): (report: CompressProgress) => void {
  let stage: CompressProgress['stage'] | undefined;
  return (report) => {
    if (stage !== undefined && stage !== report.stage) progress.end();
    stage = report.stage;
    progress.update(lineOf(report));
  };
}

function lineOf(report: CompressProgress): string {
  if (report.stage === 'search') return progressLine(report);
  if (report.stage === 'correction') return correctionLine(report);
  if (report.stage === 'evaluation') return `evaluating: ${evaluationLine(report)}`;
  return `measuring throughput: round ${report.done} of ${report.of}`;
}

/**
 * The report as text.
 * @param images what is said of images and labels
 */
export function formatSummary(report: CompressionReport, images: readonly string[]): string {
  const { model, out, search, correction, gflops, evaluation, runs, schedule, precisions, remarks = [] } = report;
  const { report: file } = report;
  const ratio = (before: number, after: number): string => `${(before / after).toFixed(2)}×`;
  const costs = [
    [
      'GFLOPs, paper’s count',
      formatGflops(gflops.before),
      formatGflops(gflops.after, gflops.before),
      ratio(gflops.before, gflops.after),
    ],
    [
      'GFLOPs really computed',
      formatGflops(gflops.realBefore),
      formatGflops(gflops.realAfter, gflops.realBefore),
      ratio(gflops.realBefore, gflops.realAfter),
    ],
  ];
  const how =
    search === null ? schedule.createdBy : `searched in ${formatSeconds(search.seconds)} (${search.steps} steps)`;
  return [
    [
      `${model} → ${out}, schedule: ${how}, tokens selected by ${formatSelectionChoice(schedule.selection)}`,
      ...(correction === null ? [] : [correctionOutcome(correction)]),
      ...images,
    ].join('\n'),
    formatTable(['', 'before', 'after', 'ratio'], costs),
    ...(evaluation === null
      ? []
      : [formatAccuracy(evaluation.before, evaluation.after, report.data), ...verdictOf(evaluation.after)]),
    ...remarks,
    formatRuns(runs),
    ...(precisions.every(({ dtype }) => dtype === 'fp32') ? [] : formatPrecisions(report)),
    ...(file === null ? [] : [`report: ${file}`]),
  ].join('\n\n');
}

function formatAccuracy(before: EvaluationResult, after: EvaluationResult, data: string | undefined): string {
  const rows = shownMetrics(after).map((name) => [
    metricName(name, after),
    isDistance(name) ? '' : metricValue(name, before),
    metricValue(name, after),
  ]);
  return formatTable([data ?? `${after.images} images`, 'before', 'after'], rows);
}

/** What the distance means, and where that is known from. */
function verdictOf(after: EvaluationResult): string[] {
  const verdict = answersVerdict(after);
  return verdict === null ? [] : [[verdict.words, verdict.source].filter((words) => words !== undefined).join('\n')];
}

/** The files side by side, and what is to be said of them. */
function formatPrecisions(report: CompressionReport): string[] {
  const { header, rows, remarks } = precisionTable(report.precisions, report);
  return [formatTable(header, rows), ...(remarks.length === 0 ? [] : [remarks.join('\n')])];
}
