/** The options that `train` and `finetune` share, and their run with progress. */
import { rm } from 'node:fs/promises';
import { objectiveLabel } from '../evaluation/shown-metrics.ts';
import { removeTrainingCheckpoint } from '../training/training-checkpoint.ts';
import { checkTrainedModelDirectory, weightDtypes } from '../training/trained-model.ts';
import type { WeightDtype } from '../training/trained-model.ts';
import { train } from '../training/train.ts';
import type { TrainingOptions, TrainingOutcome, TrainingProgress } from '../training/training-options.ts';
import { imageOptions } from './image-options.ts';
import { interruptible } from './interrupt.ts';
import { options } from './options.ts';
import { formatSeconds } from './output.ts';
import { lockFolderUntilExit } from '../files/folder-lock.ts';
import { prepareOutputFile } from '../files/output-file.ts';
import { withProgress } from './progress.ts';

// citty wants lists that may be changed.
const dtypes: WeightDtype[] = [...weightDtypes];

/** Definitions. */
export const trainingOptions = {
  data: options.data,
  'eval-data': { type: 'string', valueHint: 'DIR', description: 'images to evaluate on after each epoch' },
  out: { type: 'string', valueHint: 'DIR', description: 'model folder to write', required: true },
  epochs: { type: 'string', valueHint: 'N', description: 'epochs in place of the recipe’s' },
  batch: { ...options.batch, description: 'images per step in place of the recipe’s' },
  'learning-rate': { type: 'string', valueHint: 'X', description: 'highest learning rate in place of the recipe’s' },
  dtype: { type: 'enum', options: dtypes, description: 'precision of the weights file', default: 'fp32' },
  seed: options.seed,
  resume: { type: 'boolean', description: 'continue a training that was stopped' },
  ...imageOptions,
  device: options.device,
  threads: options.threads,
  json: options.json,
} as const;

/**
 * Files beside the folder, which is to appear as a whole: the checkpoint, and the log while
 * training goes on.
 */
export function trainingFiles(out: string): { readonly checkpoint: string; readonly log: string } {
  const stem = out.replace(/[/\\]+$/, '');
  return { checkpoint: `${stem}.checkpoint.safetensors`, log: `${stem}.training.csv` };
}

/**
 * Checks before long work that the result can be written, and keeps others from writing there.
 * @throws {DiffrateError} where it cannot.
 */
export async function prepareTrainingOutput(out: string): Promise<void> {
  await checkTrainedModelDirectory(out);
  await prepareOutputFile(trainingFiles(out).checkpoint);
  await lockFolderUntilExit(out);
}

/** Trains with progress on standard error; Ctrl-C ends it after the running step. */
export async function runTraining(
  settings: Omit<TrainingOptions, 'signal' | 'onWarning' | 'checkpoint' | 'log'>,
  out: string,
): Promise<TrainingOutcome> {
  return withProgress((progress) => {
    const onWarning = (message: string): void => progress.note(`warning: ${message}`);
    const onProgress = (report: TrainingProgress): void => progress.update(progressLine(report));
    return interruptible((signal) => train({ ...settings, ...trainingFiles(out), signal, onWarning }, onProgress));
  });
}

/** Removes what lies beside the folder, once that is written. */
export async function removeTrainingFiles(out: string): Promise<void> {
  const { checkpoint, log } = trainingFiles(out);
  await removeTrainingCheckpoint(checkpoint);
  await rm(log, { force: true });
}

function progressLine(report: TrainingProgress): string {
  const { step, steps, epoch, loss, learningRate, imagesPerSecond, secondsLeft, evaluation } = report;
  const course = `step ${step} of ${steps} (epoch ${epoch.toFixed(2)}), loss ${loss.toFixed(4)}, learning rate ${learningRate.toExponential(2)}`;
  const { top1 = null, kl = null, objective = null } = evaluation ?? {};
  const evaluated = [
    ...(top1 === null ? [] : [`top-1 ${top1.toFixed(2)} %`]),
    ...(kl === null ? [] : [`KL ${kl.toFixed(4)}`]),
    ...(kl !== null || objective === null ? [] : [`${objectiveLabel(objective)} ${objective.value.toFixed(4)}`]),
  ];
  return [course, ...evaluated, `${imagesPerSecond.toFixed(1)} images/s`, `${formatSeconds(secondsLeft)} left`].join(
    ', ',
  );
}
