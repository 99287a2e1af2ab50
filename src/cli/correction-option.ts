/**
 * `--correct`: to train a correction (`search`, `compress`), or to use the one that lies beside a
 * schedule (`eval`, `export`, `bench`).
 */
import { stat } from 'node:fs/promises';
import { correctSchedule } from '../correction/correct-schedule.ts';
import type {
  CorrectionOptions,
  CorrectionOutcome,
  CorrectionProgress,
  CorrectionReport,
  ScheduleCorrector,
} from '../correction/correction-options.ts';
import type { ImageSource } from '../data/image-source.ts';
import { UsageError } from '../errors.ts';
import { correctedModel, correctionPath, readCorrectionFile } from '../exporting/correction-file.ts';
import type { Correction } from '../exporting/correction-file.ts';
import type { Model } from '../networks/model.ts';
import type { Parameters } from '../nn/parameters.ts';
import type { Schedule } from '../reduction/schedule.ts';
import { interruptible } from './interrupt.ts';
import { integerOption } from './options.ts';
import { formatSeconds } from './output.ts';
import { withProgress } from './progress.ts';
import { scheduleFile } from './schedule-option.ts';
import type { NamedSchedule } from './schedule-option.ts';

/** Definitions for commands that search a schedule. */
export const correctingOptions = {
  correct: { type: 'boolean', description: 'also train scales and biases for the schedule, at no cost in FLOPs' },
  'correct-steps': { type: 'string', valueHint: 'N', description: 'steps of that, by default 400' },
} as const;

interface GivenCorrecting {
  readonly correct?: boolean;
  readonly 'correct-steps'?: string;
}

/**
 * What trains corrections; `undefined` where none is wanted.
 * @throws {UsageError} where steps are given without `--correct`.
 */
export function parseCorrecting({
  correct = false,
  'correct-steps': text,
}: GivenCorrecting): ScheduleCorrector | undefined {
  const steps = integerOption('correct-steps', text);
  if (!correct && steps !== undefined)
    throw new UsageError('--correct-steps is for --correct: give that as well, or leave the steps out.');
  if (!correct) return undefined;
  return (model, schedule, images, options, onProgress) =>
    correctSchedule(model, schedule, images, { ...options, steps }, onProgress);
}

/** Corrects with progress on standard error; Ctrl-C ends it after the running step. */
export async function runCorrection(
  correct: ScheduleCorrector,
  model: Model,
  schedule: Schedule,
  images: ImageSource,
  options: Omit<CorrectionOptions, 'signal' | 'onWarning'>,
): Promise<CorrectionOutcome> {
  return withProgress((progress) => {
    const onWarning = (message: string): void => progress.note(`warning: ${message}`);
    const onProgress = (report: CorrectionProgress): void => progress.update(correctionLine(report));
    return interruptible((signal) => correct(model, schedule, images, { ...options, signal, onWarning }, onProgress));
  });
}

/** One line of progress. */
export function correctionLine(progress: CorrectionProgress): string {
  const { step, steps, loss, heldOut, imagesPerSecond, secondsLeft } = progress;
  return `correction, step ${step} of ${steps}, loss ${loss.toFixed(4)}, held out ${heldOut.toFixed(4)}, ${imagesPerSecond.toFixed(1)} images/s, ${formatSeconds(secondsLeft)} left`;
}

/** What came of it, in a sentence. */
export function correctionOutcome(report: CorrectionReport): string {
  const { found, before, after, unit, heldOutImages, bestStep, seconds } = report;
  const held = `on ${heldOutImages} held-out images`;
  if (!found) return `correction: none of the looks was better than no correction ${held}, so none is kept.`;
  return `correction: ${before.toPrecision(3)} → ${after.toPrecision(3)} ${unit} ${held} (step ${bestStep}, ${formatSeconds(seconds)})`;
}

/** Definition for commands that read a schedule. */
export const correctionOption = {
  type: 'boolean',
  description: 'use correction.safetensors beside the schedule, where there is one',
  default: true,
  negativeDescription: 'leave correction.safetensors beside the schedule out',
} as const;

/** A correction that was found beside a schedule. */
export interface NamedCorrection {
  readonly correction: Correction;
  /** Its file. */
  readonly name: string;
  /** The weights with it. */
  readonly parameters: Parameters;
}

/**
 * The correction beside a schedule's file, checked against network and schedule; `undefined` where
 * there is none, or none is wanted.
 * @throws {DiffrateError} where there is one that is damaged or does not belong to them.
 */
export async function resolveCorrection(
  {
    correct = true,
    schedule: text,
  }: { readonly correct?: boolean | undefined; readonly schedule?: string | undefined },
  model: Model,
  named: NamedSchedule | undefined,
): Promise<NamedCorrection | undefined> {
  const file = text === undefined ? undefined : await scheduleFile(text);
  if (!correct || named === undefined || file === undefined) return undefined;
  const name = correctionPath(file);
  const isThere = await stat(name).then(
    () => true,
    () => false,
  );
  if (!isThere) return undefined;
  const correction = await readCorrectionFile(name);
  const { parameters } = await correctedModel(model, named.schedule, correction, name);
  return { correction, name, parameters };
}
