/** The correction of a compression's schedule, trained on the images of its search. */
import { checkCorrection } from '../correction/check-correction.ts';
import { correctionReport } from '../correction/correction-options.ts';
import type { CorrectionOptions, CorrectionReport, ScheduleCorrector } from '../correction/correction-options.ts';
import { UsageError } from '../errors.ts';
import type { Correction } from '../exporting/correction-file.ts';
import type { ProgressStore } from '../files/progress-store.ts';
import type { ImageSource } from '../data/image-source.ts';
import type { Schedule } from '../reduction/schedule.ts';
import type { CompressProgress, OpenedCompression } from './compress-options.ts';

/** A correction, and what it took. */
export interface FoundCorrection {
  /** `undefined` where none was asked for, or none was better. */
  readonly correction?: Correction | undefined;
  /** `null` where none was asked for. */
  readonly report: CorrectionReport | null;
}

/**
 * Trains a correction where one is wanted.
 * @param progress from which one that was stopped continues.
 * @throws {DiffrateError} as `correctSchedule` does.
 */
export async function findCorrection(
  options: OpenedCompression,
  schedule: Schedule,
  progress: ProgressStore,
  onProgress: (progress: CompressProgress) => void,
): Promise<FoundCorrection> {
  const wanted = correctionOf(options, progress);
  if (wanted === undefined) return { report: null };
  const outcome = await wanted.correct(options.model, schedule, wanted.images, wanted.options, (report) =>
    onProgress({ stage: 'correction', ...report }),
  );
  return { correction: outcome.correction ?? undefined, report: correctionReport(outcome) };
}

/**
 * Checks that a correction could be trained; nothing is run.
 * @throws {DiffrateError} as `checkCorrection` does, and without images.
 */
export async function checkWantedCorrection(options: OpenedCompression, progress: ProgressStore): Promise<void> {
  const wanted = correctionOf(options, progress);
  if (wanted !== undefined) await checkCorrection(wanted.images, wanted.options);
}

interface WantedCorrection {
  readonly correct: ScheduleCorrector;
  readonly images: ImageSource;
  readonly options: CorrectionOptions;
}

function correctionOf(options: OpenedCompression, progress: ProgressStore): WantedCorrection | undefined {
  const { correct, images, objective, seed, resume, device, threads, runtime, decoded, strict } = options;
  const { onWarning, signal } = options;
  if (correct === undefined) return undefined;
  if (typeof correct !== 'function')
    throw new UsageError(`What corrects a schedule is a function, not ${String(correct)}: give correctSchedule.`);
  if (images === undefined) throw new UsageError('A correction is trained on images: give some hundred.');
  return {
    correct,
    images,
    options: { objective, seed, progress, resume, device, threads, runtime, decoded, strict, onWarning, signal },
  };
}
