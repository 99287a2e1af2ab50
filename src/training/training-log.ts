/** The course of a run as rows of a CSV file, which grows while the run goes on. */
import { appendFile, writeFile } from 'node:fs/promises';
import { DiffrateError, messageOf } from '../errors.ts';

/** One row: a step's, or, with the evaluation's members, the end of an epoch. */
export interface TrainingLogRow {
  /** Optimizer steps done. */
  readonly step: number;
  /** Times the images were gone through, as a fraction. */
  readonly epoch: number;
  /** Running mean of the loss in nats; with a teacher the KL divergence to it. */
  readonly loss: number;
  readonly learningRate: number;
  readonly imagesPerSecond: number;
  /** On the images of `--eval-data`: top-1 in percent, cross-entropy with the labels in nats. */
  readonly top1?: number | null;
  readonly evaluationLoss?: number | null;
  /** KL divergence to the teacher there, in nats. */
  readonly kl?: number | null;
}

const columns = 'step,epoch,loss,learning_rate,images_per_second,eval_top1,eval_loss,eval_kl\n';

const optional = (value: number | null | undefined, digits: number): string =>
  value === null || value === undefined ? '' : String(Number(value.toPrecision(digits)));

const lineOf = (row: TrainingLogRow): string =>
  `${[
    row.step,
    Number(row.epoch.toFixed(4)),
    Number(row.loss.toPrecision(6)),
    Number(row.learningRate.toPrecision(4)),
    Number(row.imagesPerSecond.toPrecision(4)),
    optional(row.top1, 5),
    optional(row.evaluationLoss, 6),
    optional(row.kl, 6),
  ].join(',')}\n`;

/** The whole log as a CSV file's text. */
export function logText(rows: readonly TrainingLogRow[]): string {
  return columns + rows.map(lineOf).join('');
}

/** A log in memory and, where a path is given, on disk. */
export class TrainingLog {
  readonly rows: TrainingLogRow[];
  readonly #path: string | undefined;

  private constructor(rows: TrainingLogRow[], path: string | undefined) {
    this.rows = rows;
    this.#path = path;
  }

  /**
   * Starts a log; a resumed one starts with the rows of its checkpoint.
   * @throws {DiffrateError} if the file cannot be written.
   */
  static async open(path: string | undefined, rows: readonly TrainingLogRow[]): Promise<TrainingLog> {
    const log = new TrainingLog([...rows], path);
    await log.#write((file) => writeFile(file, logText(rows)));
    return log;
  }

  /** Adds a row. */
  async add(row: TrainingLogRow): Promise<void> {
    this.rows.push(row);
    await this.#write((file) => appendFile(file, lineOf(row)));
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
