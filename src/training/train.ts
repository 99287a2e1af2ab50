/**
 * The training loop: fine-tuning with a fixed schedule and tokens really dropped (Table 6 of arXiv
 * 2305.17997), or training from scratch, compressed or not (Table 11). Everything random is a
 * function of the seed and of the step. A run that was killed at any moment continues from its last
 * checkpoint and ends with the weights of an unbroken one, to the bit.
 */
import { createImageLoader } from '../data/batches.ts';
import type { ImageLoader } from '../data/batches.ts';
import { DiffrateError } from '../errors.ts';
import type { Objective } from '../objectives/objective.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import type { Runtime, SessionOptions } from '../runtime/runtime.ts';
import { AdamW } from './adamw.ts';
import { DivergenceWatch } from './divergence.ts';
import { EpochEvaluation } from './epoch-evaluation.ts';
import { clippingScale, normOf } from './gradient-norm.ts';
import { labelledForTraining } from './labelled-images.ts';
import { learningRateAt } from './learning-rate.ts';
import { readTrainingCheckpoint, writeTrainingCheckpoint } from './training-checkpoint.ts';
import { distanceColumn, TrainingLog } from './training-log.ts';
import type { TrainingLogRow } from './training-log.ts';
import type { EvaluatedEpoch, TrainingOptions, TrainingOutcome, TrainingProgress } from './training-options.ts';
import { bringBack, wholeNetwork } from './trained-parameters.ts';
import { planTraining } from './training-plan.ts';
import type { TrainingPlan } from './training-plan.ts';
import { TrainingRunner } from './training-runner.ts';
import { averageDecayAt, WeightAverage } from './weight-average.ts';

/** Weight of a step in the running mean of the loss. */
const lossWeight = 0.02;

/** Rows of the log per epoch, at most; and the fewest steps between them. */
const rowsPerEpoch = 20;
const fewestStepsPerRow = 10;

const defaultCheckpointSeconds = 60;

/**
 * Trains a network.
 * @throws {DiffrateError} for missing or wrong labels, images that cannot be used, a checkpoint of
 *   another run, a loss that diverges, or where `signal` stopped it.
 */
export async function train(
  asked: TrainingOptions,
  onProgress: (progress: TrainingProgress) => void = () => {},
): Promise<TrainingOutcome> {
  const options = { ...asked, ...labelledForTraining(asked) };
  const plan = planTraining(options);
  const { checkpoint, resume } = options;
  // Of the weights that it starts with, which training changes.
  const identity = checkpoint === undefined ? '' : await plan.identity();
  const resumed =
    resume && checkpoint !== undefined
      ? await readTrainingCheckpoint(checkpoint, identity, plan.layout.length)
      : undefined;
  const log = await TrainingLog.open(options.log, resumed?.state.rows ?? [], distanceColumn(plan.objective));
  const run = new TrainingRun(options, plan, identity, log, onProgress);
  if (resumed !== undefined) run.restore(resumed);
  return run.finish();
}

/** One run with all that changes in it. */
class TrainingRun {
  readonly #options: TrainingOptions;
  readonly #plan: TrainingPlan;
  readonly #identity: string;
  readonly #log: TrainingLog;
  readonly #onProgress: (progress: TrainingProgress) => void;
  readonly #optimizer: AdamW;
  readonly #average: WeightAverage | undefined;
  readonly #watch = new DivergenceWatch();
  readonly #runtime: Runtime;
  readonly #session: SessionOptions;
  /** Optimizer steps done. */
  #step = 0;
  #loss = 0;
  /** Seconds spent before this process took over. */
  #secondsBefore = 0;
  #firstStep = 0;
  #start = 0;
  /** Time spent on evaluations, in ms. */
  #evaluating = 0;
  #saved = 0;
  #evaluated: EvaluatedEpoch | undefined;

  constructor(
    options: TrainingOptions,
    plan: TrainingPlan,
    identity: string,
    log: TrainingLog,
    onProgress: (progress: TrainingProgress) => void,
  ) {
    const { recipe, device, threads, runtime = nodeRuntime } = options;
    this.#options = options;
    this.#plan = plan;
    this.#identity = identity;
    this.#log = log;
    this.#onProgress = onProgress;
    this.#optimizer = new AdamW(plan.layout, { weightDecay: recipe.weightDecay }, plan.memory);
    this.#average = recipe.averageDecay > 0 ? new WeightAverage(plan.weights, plan.memory) : undefined;
    this.#runtime = runtime;
    this.#session = { ...(device === undefined ? {} : { device }), ...(threads === undefined ? {} : { threads }) };
  }

  /** Takes a checkpoint's state. */
  restore({
    state,
    weights,
    first,
    second,
    average,
  }: NonNullable<Awaited<ReturnType<typeof readTrainingCheckpoint>>>): void {
    this.#plan.weights.set(weights);
    this.#optimizer.first.set(first);
    this.#optimizer.second.set(second);
    this.#optimizer.step = state.updates;
    if (average !== undefined) this.#average?.values.set(average);
    this.#watch.restore(state.lowestLoss);
    this.#step = state.step;
    this.#loss = state.loss;
    this.#secondsBefore = state.seconds;
    const last = this.#log.rows.findLast(({ top1, objective }) => (top1 ?? objective ?? null) !== null);
    if (last !== undefined) this.#evaluated = evaluatedIn(last, this.#plan.objective);
  }

  /** Runs what is left. */
  async finish(): Promise<TrainingOutcome> {
    const {
      images: folder,
      network,
      preprocessing,
      recipe,
      seed,
      strict,
      onWarning,
      schedule,
      method,
      evaluation,
      start,
    } = this.#options;
    const { microBatchSize, microBatches, layout, objective, steps } = this.#plan;
    this.#firstStep = this.#step;
    this.#start = this.#saved = performance.now();
    const images = {
      preprocessing,
      ...(strict === undefined ? {} : { strict }),
      ...(onWarning === undefined ? {} : { onWarning }),
    };
    const loader = createImageLoader({
      source: folder,
      batchSize: microBatchSize,
      order: 'shuffled',
      seed,
      startStep: this.#step * microBatches,
      augmentation: recipe.augmentation,
      repeatedAugmentation: recipe.repeatedAugmentation,
      ...images,
    });
    let runner: TrainingRunner | undefined;
    let evaluator: EpochEvaluation | undefined;
    try {
      runner = await TrainingRunner.load(this.#runtime, this.#options, this.#plan, this.#session, this.#step);
      const graph = { network, objective, layout, schedule, method, start: start?.parameters, dropPath: 0 };
      const evaluated = evaluation && { ...images, source: evaluation };
      evaluator = evaluated && (await EpochEvaluation.load(this.#runtime, graph, start, this.#session, evaluated));
      const batches = loader[Symbol.asyncIterator]();
      while (this.#step < steps) {
        await this.#advance(runner, batches);
        await this.#settle(evaluator);
      }
      return this.#outcome(loader);
    } finally {
      await loader.close();
      await runner?.dispose();
      await evaluator?.dispose();
    }
  }

  /** One optimizer step. */
  async #advance(runner: TrainingRunner, batches: ReturnType<ImageLoader['batches']>): Promise<void> {
    const { recipe } = this.#options;
    const { weights, layout, learningRate, microBatches } = this.#plan;
    const step = this.#step;
    const { loss, gradient } = await runner.run(batches, step);
    const norm = recipe.clipNorm > 0 ? normOf(gradient) / microBatches : 0;
    this.#loss = step === 0 ? loss : this.#loss + lossWeight * (loss - this.#loss);
    this.#watch.check(step, loss, norm, this.#loss, this.#advice);
    const scale = clippingScale(norm, recipe.clipNorm) / microBatches;
    this.#optimizer.update(weights, gradient, learningRateAt(step, learningRate), scale);
    bringBack(layout, weights);
    this.#average?.update(weights, averageDecayAt(step, recipe.averageDecay));
    this.#step = step + 1;
  }

  /**
   * What follows a step: evaluation, log, progress, checkpoint, and an end where one was asked for.
   */
  async #settle(evaluator: EpochEvaluation | undefined): Promise<void> {
    const { steps } = this.#plan;
    // A step may be longer than an epoch.
    const ends = (epochs: number): boolean =>
      Math.floor(this.#epochAt(this.#step) / epochs) > Math.floor(this.#epochAt(this.#step - 1) / epochs);
    const epochEnds = ends(1);
    const evaluates = ends(this.#options.recipe.evaluationEpochs ?? 1);
    const last = this.#step === steps;
    const stopped = this.#options.signal?.aborted === true;
    // An evaluation belongs to its epoch's end: where a run is stopped there, it comes before the
    // checkpoint.
    if ((evaluates || last) && evaluator !== undefined) {
      const before = performance.now();
      this.#evaluated = await evaluator.run(this.#result);
      this.#evaluating += performance.now() - before;
    }
    const evaluated = evaluates || last ? this.#evaluated : undefined;
    const stepsPerEpoch = this.#options.images.images.length / this.#plan.batchSize;
    const stepsPerRow = Math.max(fewestStepsPerRow, Math.round(stepsPerEpoch / rowsPerEpoch));
    if (epochEnds || last || this.#step % stepsPerRow === 0) await this.#log.add(this.#row(evaluated));
    this.#onProgress(this.#progress());
    const { checkpoint, checkpointSeconds = defaultCheckpointSeconds } = this.#options;
    const due = epochEnds || last || stopped || performance.now() - this.#saved > 1000 * checkpointSeconds;
    if (checkpoint !== undefined && due && this.#watch.healthy) {
      this.#watch.checkWeights(this.#step - 1, normOf(this.#plan.weights), this.#advice);
      await this.#save(checkpoint);
    }
    if (stopped && !last)
      throw new DiffrateError(
        `The training was stopped after step ${this.#step} of ${steps}; continue it with \`resume\`.`,
      );
  }

  async #save(path: string): Promise<void> {
    await writeTrainingCheckpoint(path, {
      state: {
        identity: this.#identity,
        step: this.#step,
        updates: this.#optimizer.step,
        loss: this.#loss,
        lowestLoss: this.#watch.save(),
        seconds: this.#seconds,
        rows: this.#log.rows,
      },
      weights: this.#plan.weights,
      first: this.#optimizer.first,
      second: this.#optimizer.second,
      average: this.#average?.values,
    });
    this.#saved = performance.now();
  }

  /** Where the last good state is, a sentence to follow another. */
  get #advice(): string {
    const { checkpoint } = this.#options;
    return checkpoint === undefined ? '' : ` The last good state is in '${checkpoint}'.`;
  }

  /** The weights that count. */
  get #result(): Float32Array {
    return this.#average?.values ?? this.#plan.weights;
  }

  get #seconds(): number {
    return this.#secondsBefore + (performance.now() - this.#start) / 1000;
  }

  #epochAt(step: number): number {
    return (step * this.#plan.batchSize) / this.#options.images.images.length;
  }

  #progress(): TrainingProgress {
    const { steps, batchSize, learningRate } = this.#plan;
    const perStep = (performance.now() - this.#start - this.#evaluating) / (this.#step - this.#firstStep);
    return {
      step: this.#step,
      steps,
      epoch: this.#epochAt(this.#step),
      loss: this.#loss,
      learningRate: learningRateAt(this.#step - 1, learningRate),
      imagesPerSecond: (1000 * batchSize) / perStep,
      secondsLeft: ((steps - this.#step) * perStep) / 1000,
      evaluation: this.#evaluated,
    };
  }

  #row(evaluated: EvaluatedEpoch | undefined): TrainingLogRow {
    const { step, epoch, loss, learningRate, imagesPerSecond } = this.#progress();
    const row = { step, epoch, loss, learningRate, imagesPerSecond };
    if (evaluated === undefined) return row;
    const { top1, loss: evaluationLoss, kl, objective } = evaluated;
    return { ...row, top1, evaluationLoss, kl, objective: objective?.value ?? null };
  }

  #outcome(loader: ImageLoader): TrainingOutcome {
    const { network, start } = this.#options;
    // A copy, which does not hold on to the vectors beside it.
    const trained = { layout: this.#plan.layout, weights: this.#result.slice() };
    return {
      ...(start === undefined ? trained : wholeNetwork(network, trained, start.parameters)),
      rows: this.#log.rows,
      steps: this.#plan.steps,
      seconds: this.#seconds,
      loss: this.#loss,
      evaluation: this.#evaluated,
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
      skipped: loader.skipped,
    };
  }
}

/** The evaluation of a row of the log. */
function evaluatedIn(row: TrainingLogRow, { name, unit }: Objective): EvaluatedEpoch {
  const { top1 = null, evaluationLoss = null, kl = null, objective: value = null } = row;
  return { top1, loss: evaluationLoss, kl, objective: value === null ? null : { name, value, unit } };
}
