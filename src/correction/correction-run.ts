/**
 * The loop of a correction: steps, looks at the held-out images, progress kept now and then. What
 * a run does next follows from its checkpoint alone.
 */
import { createImageLoader } from '../data/batches.ts';
import type { ImageLoader, SkippedImage } from '../data/batches.ts';
import { distinctImages } from '../data/skipped-images.ts';
import { DiffrateError, messageOf } from '../errors.ts';
import type { Correction } from '../exporting/correction-file.ts';
import { writeCheckpoint } from '../search/checkpoint.ts';
import { AdamW } from '../training/adamw.ts';
import { DivergenceWatch } from '../training/divergence.ts';
import { learningRateAt } from '../training/learning-rate.ts';
import type { TrainingRunner } from '../training/training-runner.ts';
import { weightsOf } from '../training/trained-parameters.ts';
import { base64Of, vectorIn } from './correction-checkpoint.ts';
import type { CorrectionCheckpoint } from './correction-checkpoint.ts';
import type { CorrectionLook, CorrectionOptions, CorrectionOutcome, CorrectionProgress } from './correction-options.ts';
import type { CorrectionPlan } from './correction-plan.ts';
import type { HeldOutImages, HeldOutLoss } from './held-out-images.ts';

/** A memory of some 100 gradients, as there are some hundred steps. */
const beta2 = 0.99;

/** Weight of a step in the running mean of the loss. */
const lossWeight = 0.05;

/** Time between checkpoints, in ms. */
const checkpointMilliseconds = 10_000;

/** One run with all that changes in it. */
export class CorrectionRun {
  readonly #settled: CorrectionPlan;
  readonly #options: CorrectionOptions;
  readonly #runner: TrainingRunner;
  readonly #heldOut: HeldOutImages;
  readonly #onProgress: (progress: CorrectionProgress) => void;
  readonly #optimizer: AdamW;
  readonly #watch = new DivergenceWatch();
  readonly #looks: CorrectionLook[] = [];
  #best: Float32Array;
  #heldOutImages = 0;
  /** Steps done. */
  #step = 0;
  #loss = 0;
  /** Seconds spent before this process took over. */
  #secondsBefore = 0;
  #firstStep = 0;
  readonly #start = performance.now();
  #saved = performance.now();
  #failure: string | undefined;

  constructor(
    settled: CorrectionPlan,
    options: CorrectionOptions,
    runner: TrainingRunner,
    heldOut: HeldOutImages,
    onProgress: (progress: CorrectionProgress) => void,
  ) {
    const { layout, memory, weights } = settled.plan;
    this.#settled = settled;
    this.#options = options;
    this.#runner = runner;
    this.#heldOut = heldOut;
    this.#onProgress = onProgress;
    // Nothing is drawn to zero: what was trained before is the best guess.
    this.#optimizer = new AdamW(layout, { beta2 }, memory);
    this.#best = weights.slice();
  }

  /**
   * Takes a checkpoint's state.
   * @throws {DiffrateError} where it does not fit.
   */
  restore({ step, loss, looks, seconds, weights, best, first, second }: CorrectionCheckpoint): void {
    const { layout, weights: own, steps } = this.#settled.plan;
    const vectors = [weights, best, first, second].map((text) => vectorIn(text, layout.length));
    const [ownWeights, bestWeights, firstMoment, secondMoment] = vectors;
    const fits = step <= steps && looks.every((look) => look.step <= step);
    if (!fits || !ownWeights || !bestWeights || !firstMoment || !secondMoment) {
      throw new DiffrateError(
        `The progress of the correction in '${this.#options.progress?.name ?? ''}' is damaged: begin anew with \`resume: false\`.`,
      );
    }
    own.set(ownWeights);
    this.#best = bestWeights;
    this.#optimizer.first.set(firstMoment);
    this.#optimizer.second.set(secondMoment);
    this.#optimizer.step = step;
    this.#looks.push(...looks);
    this.#step = this.#firstStep = step;
    this.#loss = loss;
    this.#secondsBefore = seconds;
  }

  /** Runs what is left. */
  async finish(): Promise<CorrectionOutcome> {
    const { plan, training, stepsPerLook } = this.#settled;
    const { weights, steps, batchSize } = plan;
    if (this.#looks.length === 0) await this.#look();
    const loader = createImageLoader({
      source: training.images,
      preprocessing: training.preprocessing,
      batchSize,
      order: 'shuffled',
      seed: training.seed,
      startStep: this.#step,
      augmentation: training.recipe.augmentation,
      strict: training.strict,
      onWarning: training.onWarning,
    });
    try {
      const batches = loader[Symbol.asyncIterator]();
      while (this.#step < steps) {
        await this.#advance(batches, weights);
        if (this.#step % stepsPerLook === 0 || this.#step === steps) await this.#look();
        this.#onProgress(this.#progress());
        await this.#settle();
      }
      return await this.#outcome(loader.skipped);
    } finally {
      await loader.close();
    }
  }

  async #advance(batches: ReturnType<ImageLoader['batches']>, weights: Float32Array): Promise<void> {
    const step = this.#step;
    const { loss, gradient } = await this.#runner.run(batches, step);
    this.#loss = step === 0 ? loss : this.#loss + lossWeight * (loss - this.#loss);
    this.#watch.check(step, loss, 0, this.#loss, '');
    this.#optimizer.update(weights, gradient, learningRateAt(step, this.#settled.plan.learningRate));
    this.#step = step + 1;
  }

  /** Where the parameters are the best so far, they are kept. */
  async #look(): Promise<void> {
    const { weights } = this.#settled.plan;
    const found: HeldOutLoss = await this.#heldOut.loss(weights);
    this.#heldOutImages = found.images;
    const isBest = this.#looks.every(({ heldOut }) => found.value < heldOut);
    if (isBest) this.#best = weights.slice();
    this.#looks.push({ step: this.#step, heldOut: found.value });
  }

  /** Keeps the progress where that is due, and stops where that was asked for. */
  async #settle(): Promise<void> {
    const { signal, progress } = this.#options;
    const { steps } = this.#settled.plan;
    const done = this.#step === steps;
    const stopped = signal?.aborted === true && !done;
    if (progress !== undefined && (done || stopped || performance.now() - this.#saved > checkpointMilliseconds))
      await this.#save();
    if (!stopped) return;
    const kept = progress !== undefined && this.#failure === undefined;
    throw new DiffrateError(
      `The correction was stopped after step ${this.#step} of ${steps}${kept ? '; continue it with `resume: true`' : ''}.`,
    );
  }

  /** A store that is full or refuses costs the progress and not the correction. */
  async #save(): Promise<void> {
    const { progress, onWarning } = this.#options;
    if (progress === undefined) return;
    this.#saved = performance.now();
    const checkpoint: CorrectionCheckpoint = {
      identity: this.#settled.identity,
      step: this.#step,
      loss: this.#loss,
      looks: this.#looks,
      seconds: this.#seconds,
      weights: base64Of(this.#settled.plan.weights),
      best: base64Of(this.#best),
      first: base64Of(this.#optimizer.first),
      second: base64Of(this.#optimizer.second),
    };
    try {
      await writeCheckpoint(progress, checkpoint, 'correction');
      this.#failure = undefined;
    } catch (error) {
      this.#failure = messageOf(error);
      onWarning?.(this.#failure);
    }
  }

  get #seconds(): number {
    return this.#secondsBefore + (performance.now() - this.#start) / 1000;
  }

  get #bestLook(): CorrectionLook {
    return this.#looks.reduce((best, look) => (look.heldOut < best.heldOut ? look : best));
  }

  #progress(): CorrectionProgress {
    const { steps, batchSize } = this.#settled.plan;
    const perStep = (performance.now() - this.#start) / (this.#step - this.#firstStep);
    return {
      step: this.#step,
      steps,
      loss: this.#loss,
      heldOut: this.#looks.at(-1)?.heldOut ?? Number.NaN,
      best: this.#bestLook.heldOut,
      imagesPerSecond: (1000 * batchSize) / perStep,
      secondsLeft: ((steps - this.#step) * perStep) / 1000,
    };
  }

  async #outcome(skipped: readonly SkippedImage[]): Promise<CorrectionOutcome> {
    const { plan, training, fingerprints, heldOut } = this.#settled;
    const { objective, layout, steps } = plan;
    const { step: bestStep, heldOut: after } = this.#bestLook;
    const before = this.#looks[0]?.heldOut ?? Number.NaN;
    const lost = distinctImages([...this.#heldOut.skipped, ...skipped]);
    const counted = {
      objective: objective.name,
      unit: objective.unit,
      before,
      after,
      heldOutImages: this.#heldOutImages || heldOut.images.length,
      trainingImages: training.images.images.length - distinctImages(skipped).length,
    };
    const correction: Correction = {
      parameters: weightsOf(layout, this.#best),
      ...fingerprints,
      figures: { ...counted, steps: bestStep },
    };
    return {
      ...counted,
      correction: bestStep === 0 ? null : correction,
      found: bestStep > 0,
      bestStep,
      steps,
      parameters: layout.length,
      looks: this.#looks,
      seconds: this.#seconds,
      skipped: lost,
    };
  }
}
