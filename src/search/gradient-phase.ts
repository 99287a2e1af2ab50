/**
 * The first phase of a search: steps on shuffled batches, each a forward and a backward pass of the
 * masked network. Who learns from them is the caller's affair: a search's (`search.ts`), or a
 * front's (`front/front.ts`).
 */
import { DiffrateError } from '../errors.ts';
import type { Evaluator } from '../execution/evaluator.ts';
import type { StepResult } from '../execution/gradient-step.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { Plan } from './plan.ts';

/** Weight of a step in the running mean of the loss. */
const lossWeight = 0.05;

/** What surrounds the steps. */
export interface GradientPhase {
  readonly evaluator: Evaluator;
  readonly plan: Plan;
  /** Steps done before, and the running mean of the loss that they left. */
  readonly first: number;
  readonly loss: number;
  /** Steps in all. */
  readonly steps: number;
}

/** One step that was done. */
export interface GradientStepDone {
  /** From 0. */
  readonly step: number;
  readonly result: StepResult;
  /** Running mean of the loss. */
  readonly loss: number;
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
}

/** Who says which numbers to try, and learns from what they gave. */
export interface StepLearner {
  kept(): KeptNumbers;
  /**
   * Whether what is learnt begins with this step: the running mean of the loss begins with it, too.
   */
  begins(step: number): boolean;
  /** Whether nothing is to be learnt from this step any more: it is left out. */
  ended(step: number): boolean;
  /** May end the phase by throwing. */
  learn(step: GradientStepDone): Promise<void>;
}

/**
 * Runs the steps that are left. Step n is that of batch n.
 * @throws {DiffrateError} where the loss is not a number, or images or labels cannot be used.
 */
export async function followGradients(phase: GradientPhase, learner: StepLearner): Promise<void> {
  const { evaluator, plan, first, steps } = phase;
  const start = performance.now();
  let { loss } = phase;
  for (let step = first; step < steps; step++) {
    if (learner.ended(step)) continue;
    const result = await evaluator.gradient(learner.kept(), step);
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
}

function requireFinite(loss: number, step: number): void {
  if (Number.isFinite(loss)) return;
  throw new DiffrateError(
    `The loss of step ${step} is not a number; check that the weights belong to the model and hold no infinities.`,
  );
}
