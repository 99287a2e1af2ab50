/**
 * What was measured of the files of an exported folder, one precision beside the other, as the
 * table that the screen, the model card and the report show.
 */
import type { EvaluationResult } from '../evaluation/evaluation-options.ts';
import type { Measured, MeasuredThroughput } from '../evaluation/measurements.ts';
import { isDistance, metricName, metricValue } from '../evaluation/metric-rows.ts';
import type { Metrics } from '../evaluation/metrics.ts';
import { objectiveLabel, shownMetrics } from '../evaluation/shown-metrics.ts';
import type { ThroughputRun } from '../evaluation/throughput.ts';
import { dtypeDevices } from './precision.ts';
import type { ExportDtype } from './precision.ts';

/** One precision of the folder, as its file answers and runs. */
export interface MeasuredPrecision {
  readonly dtype: ExportDtype;
  /** Path of the ONNX file in the folder. */
  readonly file: string;
  /** Size of that file and of its external data. */
  readonly bytes: number;
  /** `null` without images, and where the file could not be run. */
  readonly evaluation: EvaluationResult | null;
  /** Beside the plain network in fp32; none where the file could not be run. */
  readonly runs: readonly ThroughputRun[];
  /** Why it could not be measured on this device; `null` where it could. */
  readonly failure: string | null;
  /** What its user must know, a sentence: that it failed, or answers much less alike than fp32. */
  readonly remark: string | null;
  /** Devices on which it runs well. */
  readonly runsOn: string;
}

/** A precision answers much less alike where its distance is more than so many times fp32's. */
const muchFurther = 2;

/** Distances below this are rounding. */
const leastDistance = 1e-6;

/** What is compared: the compressed network in fp32, from its file or built in memory. */
export interface PrecisionYardstick {
  readonly evaluation: Metrics | null;
  /** Whether the folder has an fp32 file. */
  readonly written: boolean;
}

/**
 * What is to be said of a precision; `null` where there is nothing.
 * @param failure why it could not be measured
 */
export function precisionRemark(
  { dtype, evaluation, failure }: Pick<MeasuredPrecision, 'dtype' | 'evaluation' | 'failure'>,
  yardstick: PrecisionYardstick,
): string | null {
  if (failure !== null) return `${dtype} could not be measured on this device: ${failure.replace(/\.?$/, '.')}`;
  const own = evaluation?.objective ?? null;
  const other = yardstick.evaluation?.objective ?? null;
  if (dtype === 'fp32' || own === null || other === null) return null;
  if (own.value <= Math.max(muchFurther * other.value, leastDistance)) return null;
  const fp32 = yardstick.written ? 'fp32' : 'fp32, which the folder does not hold,';
  const times = other.value > leastDistance ? `${(own.value / other.value).toFixed(1)} times` : 'many times';
  return `${dtype} answers ${times} as far from the original as ${fp32} does: ${objectiveLabel(own)} ${own.value.toFixed(5)} instead of ${other.value.toFixed(5)}.`;
}

/** A table with sentences below it. */
export interface PrecisionTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Remarks of the precisions. */
  readonly remarks: readonly string[];
  /** What devices each is for. */
  readonly devices: readonly string[];
}

interface Column {
  readonly title: string;
  readonly bytes?: number;
  readonly evaluation: Metrics | null;
  readonly runs: readonly MeasuredThroughput[];
  readonly runsOn: string;
}

/**
 * The original, and the precisions side by side. Where fp32 is not in the folder, but was measured
 * as the yardstick, it has a column that says so.
 */
export function precisionTable(precisions: readonly MeasuredPrecision[], measured: Measured): PrecisionTable {
  const { evaluation = null, runs = [] } = measured;
  const inMemory: Column = { title: 'fp32 (no file)', evaluation: evaluation?.after ?? null, runs, runsOn: '' };
  const hasFp32 = precisions.some(({ dtype }) => dtype === 'fp32');
  const columns: Column[] = [
    ...(hasFp32 ? [] : [inMemory]),
    ...precisions.map((precision) => ({ title: precision.dtype, ...precision })),
  ];
  const cells = (original: string, text: (column: Column) => string): string[] => [original, ...columns.map(text)];
  const metricRows = evaluation === null ? [] : shownMetrics(evaluation.after);
  return {
    header: ['', 'original', ...columns.map(({ title }) => title)],
    rows: [
      ['files, MB', ...cells('', ({ bytes }) => (bytes === undefined ? '' : megabytes(bytes)))],
      ...metricRows.map((name) => [
        metricName(name, evaluation?.after as Metrics),
        ...cells(isDistance(name) || !evaluation ? '' : metricValue(name, evaluation.before), (column) =>
          column.evaluation === null ? '–' : metricValue(name, column.evaluation),
        ),
      ]),
      ...runs.flatMap(({ batch, baselineImagesPerSecond }) => {
        const ofBatch = (column: Column): MeasuredThroughput | undefined =>
          column.runs.find((run) => run.batch === batch);
        return [
          [
            `images/s at batch ${batch}`,
            ...cells(
              baselineImagesPerSecond.toFixed(1),
              (column) => ofBatch(column)?.imagesPerSecond.toFixed(1) ?? '–',
            ),
          ],
          [`speed-up at batch ${batch}`, ...cells('', (column) => speedUp(ofBatch(column)))],
        ];
      }),
      ['runs well on', ...cells('', ({ runsOn }) => runsOn)],
    ],
    remarks: precisions.flatMap(({ remark }) => remark ?? []),
    devices: precisions.map(({ dtype }) => dtypeDevices(dtype).sentence),
  };
}

/** In 10⁶ bytes. */
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 1);

const speedUp = (run: MeasuredThroughput | undefined): string =>
  run === undefined ? '–' : `${(run.imagesPerSecond / run.baselineImagesPerSecond).toFixed(2)}×`;
