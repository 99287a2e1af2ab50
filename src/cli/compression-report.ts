/** What `diffrate compress` prints: the figures before and after, for the screen and as JSON. */
import type { CompressionResult, CompressProgress, SearchFigures } from '../compress/compress-options.ts';
import type { EvaluationResult } from '../evaluation/evaluation-options.ts';
import { isDistance, metricName, metricValue } from '../evaluation/metric-rows.ts';
import { shownMetrics } from '../evaluation/shown-metrics.ts';
import { precisionTable } from '../exporting/measured-precision.ts';
import { evaluationLine } from './evaluation-line.ts';
import { formatNumber, formatSeconds, formatTable } from './output.ts';
import type { Progress } from './progress.ts';
import { formatRuns } from './runs-table.ts';
import { progressLine } from './search-options.ts';

/** What `compress --json` prints. */
export interface CompressionReport extends Omit<CompressionResult, 'directory' | 'history' | 'search'> {
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
  if (report.stage === 'evaluation') return `evaluating: ${evaluationLine(report)}`;
  return `measuring throughput: round ${report.done} of ${report.of}`;
}

/** The report as text. */
export function formatSummary(report: CompressionReport): string {
  const { model, out, search, gflops, evaluation, runs, schedule, precisions, report: file } = report;
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
    ...(precisions.every(({ dtype }) => dtype === 'fp32') ? [] : formatPrecisions(report)),
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

/** The files side by side, and what is to be said of them. */
function formatPrecisions(report: CompressionReport): string[] {
  const { header, rows, remarks } = precisionTable(report.precisions, report);
  return [formatTable(header, rows), ...(remarks.length === 0 ? [] : [remarks.join('\n')])];
}
