/**
 * The first phase of a search: steps of the step graph on shuffled batches, each a forward and a backward pass. Who learns from them
 * is the caller's affair: a search's (`search.ts`), or a front's (`front.ts`).
 */
import { DiffrateError } from '../errors.ts';
import { createImageLoader } from '../data/batches.ts';
import type { SkippedImage } from '../data/batches.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import type { Plan } from './plan.ts';
import type { SearchOptions } from './search-options.ts';
import { SearchRunner } from './search-runner.ts';
import type { StepResult } from './search-step.ts';

/** Weight of a step in the running mean of the loss. */
const lossWeight = 0.05;

/** What surrounds the steps. */
export interface GradientPhase {
  readonly options: Omit<SearchOptions, 'targetGflops'>;
  readonly plan: Plan;
  readonly session: SessionOptions;
  /** Steps done before, and the running mean of the loss that they left. */
  readonly first: number;
  readonly loss: number;
  /** Steps in all. */
  readonly steps: number;
}

/** One step that was done. */
export interface GradientStep {
  /** From 0. */
  readonly step: number;
  readonly result: StepResult;
  /** Running mean of the loss in nats. */
  readonly loss: number;
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
}

/** Who says which numbers to try, and learns from what they gave. */
export interface StepLearner {
  kept(): KeptNumbers;
  /** Whether what is learnt begins with this step: the running mean of the loss begins with it, too. */
  begins(step: number): boolean;
  /** May end the phase by throwing. */
  learn(step: GradientStep): Promise<void>;
}

/** How the images came. */
export interface ImageSupply {
  readonly waitingMilliseconds: number;
  readonly skipped: readonly SkippedImage[];
}

/**
 * Runs the steps that are left.
 * @throws {DiffrateError} where the loss is not a number, or images or labels cannot be used.
 */
export async function followGradients(phase: GradientPhase, learner: StepLearner): Promise<ImageSupply> {
  const { options, plan, session, first, steps } = phase;
  const { folder, model, strict, onWarning } = options;
  if (first >= steps) return { waitingMilliseconds: 0, skipped: [] };
  const loader = createImageLoader({
    folder,
    preprocessing: model.configuration.preprocessing,
    batchSize: plan.microBatchSize,
    order: 'shuffled',
    seed: plan.seed,
    startStep: first * plan.microBatches,
    augmentation: plan.preset.augmentation,
    ...(strict === undefined ? {} : { strict }),
    ...(onWarning === undefined ? {} : { onWarning }),
  });
  let runner: SearchRunner | undefined;
  try {
    runner = await SearchRunner.load(options, plan, session);
    const batches = loader[Symbol.asyncIterator]();
    const start = performance.now();
    let { loss } = phase;
    for (let step = first; step < steps; step++) {
      const result = await runner.run(batches, learner.kept());
      requireFinite(result.loss, step);
      loss = learner.begins(step) ? result.loss : loss + lossWeight * (result.loss - loss);
      const perStep = (performance.now() - start) / (step + 1 - first);
      await learner.learn({
        step,
        result,
        loss,
        imagesPerSecond: (1000 * plan.batchSize) / perStep,
        secondsLeft: ((steps - step - 1) * perStep) / 1000,
      });
    }
    return { waitingMilliseconds: loader.waitingMilliseconds, skipped: loader.skipped };
  } finally {
    await loader.close();
    await runner?.dispose();
  }
}

function requireFinite(loss: number, step: number): void {
  if (Number.isFinite(loss)) return;
  throw new DiffrateError(
    `The loss of step ${step} is not a number; check that the weights belong to the model and hold no infinities.`,
  );
}
