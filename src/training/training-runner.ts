/** Runs the forward and backward passes of optimizer steps: batches with targets and drop path through the step graph, in micro-batches. */
import type { ImageBatch } from '../data/batches.ts';
import { RandomGenerator } from '../data/random.ts';
import { DiffrateError } from '../errors.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { SoftTargets } from '../search/soft-targets.ts';
import { tokenCount } from '../models/configuration.ts';
import { drawPatches } from './patch-dropout.ts';
import { drawDropPath } from './drop-path-draws.ts';
import type { TrainingOptions } from './training-options.ts';
import type { TrainingPlan } from './training-plan.ts';
import { TrainingStep } from './training-step.ts';
import { arithmetic, VectorKernel } from './vector-kernel.ts';

/** What a step's passes give. */
export interface StepGradient {
  /** Mean cross-entropy in nats; with a teacher less its entropy, which leaves the KL divergence. */
  readonly loss: number;
  /** Sum over micro-batches of their mean gradients; valid until the next step. */
  readonly gradient: Float32Array;
}

/** Computes the gradients of optimizer steps. */
export class TrainingRunner {
  readonly #step: TrainingStep;
  readonly #targets: SoftTargets;
  readonly #plan: TrainingPlan;
  readonly #random: RandomGenerator;
  readonly #sum: Float32Array | undefined;
  readonly #accumulate: VectorKernel<'sum' | 'part'>;
  readonly #subtractsEntropy: boolean;
  readonly #tokens: number;

  private constructor(step: TrainingStep, targets: SoftTargets, plan: TrainingPlan, options: TrainingOptions) {
    this.#step = step;
    this.#targets = targets;
    this.#plan = plan;
    this.#random = new RandomGenerator(options.seed).fork('drop path');
    this.#sum = plan.microBatches > 1 ? plan.memory.vector() : undefined;
    this.#accumulate = new VectorKernel(plan.memory, ['sum', 'part'], [], ({ sum, part }) => ({
      sum: arithmetic.add(sum, part),
    }));
    this.#tokens = tokenCount(options.configuration);
    this.#subtractsEntropy = options.recipe.targets === 'teacher';
  }

  /** Loads the graphs; every step reads `plan.weights` anew. */
  static async load(
    runtime: Runtime,
    options: TrainingOptions,
    plan: TrainingPlan,
    session: SessionOptions,
  ): Promise<TrainingRunner> {
    const { configuration, schedule, recipe, name, seed, start } = options;
    // Without a teacher no parameters are read.
    const teacher = start ?? { name, configuration, parameters: noParameters };
    const targets = await SoftTargets.load(runtime, teacher, recipe.targets, recipe, seed, session);
    const step = await TrainingStep.load(
      runtime,
      { configuration, layout: plan.layout, schedule, dropPath: recipe.dropPath, patchDropout: recipe.patchDropout },
      plan.weights,
      session,
      plan.memory.vector(),
    );
    return new TrainingRunner(step, targets, plan, options);
  }

  /** Forward and backward passes of one optimizer step. */
  async run(batches: AsyncIterator<ImageBatch>): Promise<StepGradient> {
    const { microBatches } = this.#plan;
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
      const own = await this.#step.run(pixels, targets, masks, keptPatches);
      loss += (this.#subtractsEntropy ? own - entropy : own) / microBatches;
      if (this.#sum !== undefined) {
        const gradient = this.#step.gradient;
        if (part === 0) this.#sum.set(gradient);
        else this.#accumulate.run({ sum: this.#sum, part: gradient }, {}, 0, gradient.length);
      }
    }
    return { loss, gradient: this.#sum ?? this.#step.gradient };
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
