/** Throughput measurements as a table. */
import type { ThroughputRun } from '../evaluation/throughput.ts';
import { formatNumber, formatTable } from './output.ts';

/** One line per batch size. */
export function formatRuns(runs: readonly ThroughputRun[]): string {
  const rows = runs.map((run) => [
    String(run.batch),
    run.device,
    formatNumber(run.baselineImagesPerSecond, 1),
    formatNumber(run.imagesPerSecond, 1),
    `${formatNumber(run.speedup, 2)}×`,
    `${formatNumber(run.flopsRatio, 2)}×`,
    formatNumber(run.baselineMilliseconds, 1),
    formatNumber(run.milliseconds, 1),
  ]);
  const header = ['batch', 'device', 'plain images/s', 'images/s', 'speed-up', 'FLOPs ratio', 'plain ms', 'ms'];
  return formatTable(header, rows);
}
