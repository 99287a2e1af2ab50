/**
 * `diffrate/training`: training from scratch, fine-tuning with a schedule, and corrections of
 * schedules without FLOPs, in Node.
 * @module diffrate/training
 */
export { correctSchedule } from '../correction/correct-schedule.ts';
export type {
  CorrectionLook,
  CorrectionOptions,
  CorrectionOutcome,
  CorrectionProgress,
  CorrectionReport,
  ScheduleCorrector,
} from '../correction/correction-options.ts';
export { correctedModel, readCorrectionFile, writeCorrectionFile } from '../exporting/correction-file.ts';
export type { Correction, CorrectionFigures } from '../exporting/correction-file.ts';
export { recipes } from '../training/recipe.ts';
export type { RecipeName, TrainingRecipe } from '../training/recipe.ts';
export type { PatchDropoutCourse, PatchDropoutStage } from '../training/patch-dropout-stages.ts';
export type { SinusoidalPositions } from '../training/sinusoidal-positions.ts';
export { train } from '../training/train.ts';
export { weightDtypes, writeTrainedModel } from '../training/trained-model.ts';
export type { TrainedModel, WeightDtype } from '../training/trained-model.ts';
export type { TrainingLogRow } from '../training/training-log.ts';
export type {
  EvaluatedEpoch,
  TrainingOptions,
  TrainingOutcome,
  TrainingProgress,
} from '../training/training-options.ts';
export type { ParameterLayout, TrainedParameter } from '../training/trained-parameters.ts';
export { DEIT_AUGMENTATION, LIGHT_AUGMENTATION, SMALL_IMAGE_AUGMENTATION } from '../data/augmentation.ts';
export type { LearnedMethod, LearnedParameter, NetworkView, TrainingForm } from '../reduction/methods/learned.ts';
