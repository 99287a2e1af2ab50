/** The course of a run as rows of a CSV file, which grows while the run goes on. */
import { appendFile, writeFile } from 'node:fs/promises';
import { DiffrateError, messageOf } from '../errors.ts';
import type { Objective } from '../objectives/objective.ts';

/** One row: a step's, or, with the evaluation's members, the end of an epoch. */
export interface TrainingLogRow {
  /** Optimizer steps done. */
  readonly step: number;
  /** Times the images were gone through, as a fraction. */
  readonly epoch: number;
  /**
   * Running mean of the loss; with a teacher the distance to it, of a classifier the KL divergence
   * in nats.
   */
  readonly loss: number;
  readonly learningRate: number;
  readonly imagesPerSecond: number;
  /** On the images of `evaluation`: top-1 in percent, cross-entropy with the labels in nats. */
  readonly top1?: number | null;
  readonly evaluationLoss?: number | null;
  /** KL divergence to the teacher there, in nats. */
  readonly kl?: number | null;
  /** Distance to the teacher there by the objective, in its unit. */
  readonly objective?: number | null;
}

/** The last column: the KL divergence of classifiers, and the objective of others. */
export type DistanceColumn = 'kl' | 'objective';

const headOf = (distance: DistanceColumn): string =>
  `step,epoch,loss,learning_rate,images_per_second,eval_top1,eval_loss,eval_${distance}\n`;

const optional = (value: number | null | undefined, digits: number): string =>
  value === null || value === undefined ? '' : String(Number(value.toPrecision(digits)));

const lineOf = (row: TrainingLogRow, distance: DistanceColumn): string =>
  `${[
    row.step,
    Number(row.epoch.toFixed(4)),
    Number(row.loss.toPrecision(6)),
    Number(row.learningRate.toPrecision(4)),
    Number(row.imagesPerSecond.toPrecision(4)),
    optional(row.top1, 5),
    optional(row.evaluationLoss, 6),
    optional(row[distance], 6),
  ].join(',')}\n`;

/** The whole log as a CSV file's text. */
export function logText(rows: readonly TrainingLogRow[], distance: DistanceColumn = 'kl'): string {
  return headOf(distance) + rows.map((row) => lineOf(row, distance)).join('');
}

/** The last column of a network's log. */
export function distanceColumn({ name }: Pick<Objective, 'name'>): DistanceColumn {
  return name === 'classDivergence' ? 'kl' : 'objective';
}

/** A log in memory and, where a path is given, on disk. */
export class TrainingLog {
  readonly rows: TrainingLogRow[];
  readonly #path: string | undefined;
  readonly #distance: DistanceColumn;

  private constructor(rows: TrainingLogRow[], path: string | undefined, distance: DistanceColumn) {
    this.rows = rows;
    this.#path = path;
    this.#distance = distance;
  }

  /**
   * Starts a log; a resumed one starts with the rows of its checkpoint.
   * @throws {DiffrateError} if the file cannot be written.
   */
  static async open(
    path: string | undefined,
    rows: readonly TrainingLogRow[],
    distance: DistanceColumn,
  ): Promise<TrainingLog> {
    const log = new TrainingLog([...rows], path, distance);
    await log.#write((file) => writeFile(file, logText(rows, distance)));
    return log;
  }

  /** Adds a row. */
  async add(row: TrainingLogRow): Promise<void> {
    this.rows.push(row);
    await this.#write((file) => appendFile(file, lineOf(row, this.#distance)));
  }

  async #write(write: (file: string) => Promise<void>): Promise<void> {
    if (this.#path === undefined) return;
    try {
      await write(this.#path);
    } catch (error) {
      throw new DiffrateError(
        `The training log '${this.#path}' cannot be written (${messageOf(error)}); choose a folder that is writable and has room.`,
      );
    }
  }
}
