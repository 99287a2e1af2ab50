/** Throughput measurements as a table. */
import { decimalsFor } from '../cost/cost.ts';
import type { ThroughputRun } from '../evaluation/throughput.ts';
import { formatNumber, formatTable } from './output.ts';

/** Of a small network with as many digits as say something. */
const milliseconds = (value: number): string => value.toFixed(decimalsFor(value, 1));

/** One line per batch size. */
export function formatRuns(runs: readonly ThroughputRun[]): string {
  const rows = runs.map((run) => [
    String(run.batch),
    run.device,
    formatNumber(run.baselineImagesPerSecond, 1),
    formatNumber(run.imagesPerSecond, 1),
    `${formatNumber(run.speedup, 2)}×`,
    `${formatNumber(run.flopsRatio, 2)}×`,
    milliseconds(run.baselineMilliseconds),
    milliseconds(run.milliseconds),
  ]);
  const header = ['batch', 'device', 'plain images/s', 'images/s', 'speed-up', 'FLOPs ratio', 'plain ms', 'ms'];
  return formatTable(header, rows);
}
