/** Runs the forward and backward passes of optimizer steps: batches with targets and drop path through the step graph, in micro-batches. */
import type { ImageBatch } from '../data/batches.ts';
import { RandomGenerator } from '../data/random.ts';
import { DiffrateError } from '../errors.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { SoftTargets } from '../search/soft-targets.ts';
import { tokenCount } from '../models/configuration.ts';
import { drawPatches } from './patch-dropout.ts';
import { patchDropoutAt } from './patch-dropout-stages.ts';
import { drawDropPath } from './drop-path-draws.ts';
import { drawNoise } from './noise-draws.ts';
import type { TrainingOptions } from './training-options.ts';
import type { TrainingPlan } from './training-plan.ts';
import { TrainingStep } from './training-step.ts';
import { arithmetic, VectorKernel } from './vector-kernel.ts';

/** What a step's passes give. */
export interface StepGradient {
  /** Mean cross-entropy in nats; with a teacher less its entropy, which leaves the KL divergence. A method's terms are added. */
  readonly loss: number;
  /** Sum over micro-batches of their mean gradients; valid until the next step. */
  readonly gradient: Float32Array;
}

/** Computes the gradients of optimizer steps. */
export class TrainingRunner {
  /** The graph for the present rate of patch dropout. */
  #step: TrainingStep;
  #patchDropout: number;
  readonly #load: (patchDropout: number) => Promise<TrainingStep>;
  readonly #targets: SoftTargets;
  readonly #plan: TrainingPlan;
  readonly #random: RandomGenerator;
  readonly #sum: Float32Array | undefined;
  readonly #accumulate: VectorKernel<'sum' | 'part'>;
  readonly #options: TrainingOptions;
  readonly #tokens: number;

  private constructor(
    step: TrainingStep,
    patchDropout: number,
    load: (patchDropout: number) => Promise<TrainingStep>,
    targets: SoftTargets,
    plan: TrainingPlan,
    options: TrainingOptions,
  ) {
    this.#step = step;
    this.#patchDropout = patchDropout;
    this.#load = load;
    this.#options = options;
    this.#targets = targets;
    this.#plan = plan;
    this.#random = new RandomGenerator(options.seed).fork('drop path');
    this.#sum = plan.microBatches > 1 ? plan.memory.vector() : undefined;
    this.#accumulate = new VectorKernel(plan.memory, ['sum', 'part'], [], ({ sum, part }) => ({
      sum: arithmetic.add(sum, part),
    }));
    this.#tokens = tokenCount(options.configuration);
  }

  /**
   * Loads the graphs; every step reads `plan.weights` anew.
   * @param first the optimizer step that the run begins or goes on with.
   */
  static async load(
    runtime: Runtime,
    options: TrainingOptions,
    plan: TrainingPlan,
    session: SessionOptions,
    first: number,
  ): Promise<TrainingRunner> {
    const { configuration, schedule, method, recipe, name, seed, start } = options;
    // Without a teacher no parameters are read.
    const teacher = start ?? { name, configuration, parameters: noParameters };
    const targets = await SoftTargets.load(runtime, teacher, recipe.targets, recipe, seed, session);
    // One vector for the graphs of all stages.
    const gradient = plan.memory.vector();
    const load = (patchDropout: number): Promise<TrainingStep> =>
      TrainingStep.load(
        runtime,
        {
          configuration,
          layout: plan.layout,
          schedule,
          method,
          start: start?.parameters,
          dropPath: recipe.dropPath,
          patchDropout,
        },
        plan.weights,
        session,
        gradient,
      );
    const rate = patchDropoutAt(recipe.patchDropout, first, plan.steps);
    return new TrainingRunner(await load(rate), rate, load, targets, plan, options);
  }

  /**
   * Forward and backward passes of one optimizer step.
   * @param step from 0; it decides on the rate of patch dropout.
   */
  async run(batches: AsyncIterator<ImageBatch>, step: number): Promise<StepGradient> {
    const { microBatches, steps } = this.#plan;
    const { recipe } = this.#options;
    await this.#enterStage(patchDropoutAt(recipe.patchDropout, step, steps));
    let loss = 0;
    for (let part = 0; part < microBatches; part++) {
      const next = await batches.next();
      if (next.done === true)
        throw new DiffrateError('The image folder gave no batch; check that its images can be decoded.');
      const { pixels, targets, entropy } = await this.#targets.of(next.value);
      const random = this.#random.fork(next.value.step);
      const masks = drawDropPath(random, this.#step.branches, next.value.shape[0]);
      const { patches } = this.#step;
      const keptPatches =
        patches === undefined
          ? undefined
          : drawPatches(random.fork('patches'), next.value.shape[0], this.#tokens, patches.kept);
      const noise = drawNoise(random.fork('noise'), this.#step.noise, next.value.shape[0]);
      const own = await this.#step.run(pixels, targets, masks, keptPatches, noise);
      loss += (recipe.targets === 'teacher' ? own - entropy : own) / microBatches;
      if (this.#sum !== undefined) {
        const gradient = this.#step.gradient;
        if (part === 0) this.#sum.set(gradient);
        else this.#accumulate.run({ sum: this.#sum, part: gradient }, {}, 0, gradient.length);
      }
    }
    return { loss, gradient: this.#sum ?? this.#step.gradient };
  }

  /** Loads the graph of another rate of patch dropout in place of the present one. */
  async #enterStage(patchDropout: number): Promise<void> {
    if (patchDropout === this.#patchDropout) return;
    await this.#step.dispose();
    this.#step = await this.#load(patchDropout);
    this.#patchDropout = patchDropout;
  }

  /** Frees the graphs. */
  async dispose(): Promise<void> {
    await this.#step.dispose();
    await this.#targets.dispose();
  }
}

const noParameters = {
  has: () => false,
  tensor(name: string): never {
    throw new DiffrateError(`There is no network to read "${name}" from.`);
  },
};
