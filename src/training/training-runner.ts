/**
 * Runs the forward and backward passes of optimizer steps:
 * batches with targets and drop path through the step graph, in micro-batches.
 */
import type { ImageBatch } from '../data/batches.ts';
import { RandomGenerator } from '../data/random.ts';
import { DiffrateError } from '../errors.ts';
import { loadCalibrationImages } from '../execution/calibration-images.ts';
import { SoftTargets } from '../execution/soft-targets.ts';
import { imageKey, Teacher } from '../execution/teacher.ts';
import type { Objective } from '../objectives/objective.ts';
import { floats } from '../runtime/runtime.ts';
import type { Runtime, SessionOptions } from '../runtime/runtime.ts';
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
  /**
   * The objective's mean loss; with a teacher less what is left of it when all answers are right.
   * A method's terms are added.
   */
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
  readonly #objective: Objective;
  readonly #teacher: Teacher | undefined;
  readonly #plan: TrainingPlan;
  readonly #random: RandomGenerator;
  readonly #sum: Float32Array | undefined;
  readonly #accumulate: VectorKernel<'sum' | 'part'>;
  readonly #options: TrainingOptions;

  private constructor(
    step: TrainingStep,
    patchDropout: number,
    load: (patchDropout: number) => Promise<TrainingStep>,
    { objective, teacher }: Judge,
    plan: TrainingPlan,
    options: TrainingOptions,
  ) {
    this.#step = step;
    this.#patchDropout = patchDropout;
    this.#load = load;
    this.#options = options;
    this.#objective = objective;
    this.#teacher = teacher;
    this.#targets = new SoftTargets(options.recipe, objective, options.seed, teacher);
    this.#plan = plan;
    this.#random = new RandomGenerator(options.seed).fork('drop path');
    this.#sum = plan.microBatches > 1 ? plan.memory.vector() : undefined;
    this.#accumulate = new VectorKernel(plan.memory, ['sum', 'part'], [], ({ sum, part }) => ({
      sum: arithmetic.add(sum, part),
    }));
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
    const { network, schedule, method, recipe, start } = options;
    const judge = await judgeOf(runtime, options, plan, session);
    // One vector for the graphs of all stages.
    const gradient = plan.memory.vector();
    const load = (patchDropout: number): Promise<TrainingStep> =>
      TrainingStep.load(
        runtime,
        {
          network,
          objective: judge.objective,
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
    try {
      return new TrainingRunner(await load(rate), rate, load, judge, plan, options);
    } catch (error) {
      await judge.teacher?.dispose();
      throw error;
    }
  }

  /**
   * Forward and backward passes of one optimizer step.
   * @param step from 0; it decides on the rate of patch dropout.
   */
  async run(batches: AsyncIterator<ImageBatch>, step: number): Promise<StepGradient> {
    const { microBatches, steps } = this.#plan;
    const { recipe, network } = this.#options;
    await this.#enterStage(patchDropoutAt(recipe.patchDropout, step, steps));
    let loss = 0;
    for (let part = 0; part < microBatches; part++) {
      const next = await batches.next();
      if (next.done === true)
        throw new DiffrateError('The image folder gave no batch; check that its images can be decoded.');
      const { pixels, shape, targets } = await this.#targets.of(next.value);
      const [images] = shape;
      const random = this.#random.fork(next.value.step);
      const masks = drawDropPath(random, this.#step.branches, images);
      const { patches } = this.#step;
      const keptPatches =
        patches === undefined ? undefined : drawPatches(random.fork('patches'), images, network.layout, patches.kept);
      const noise = drawNoise(random.fork('noise'), this.#step.noise, images);
      const wanted = floats(targets, [images, this.#objective.targetSize]);
      const own = await this.#step.run(floats(pixels, shape), wanted, masks, keptPatches, noise);
      loss += (this.#teacher === undefined ? own : own - this.#objective.floor(targets)) / microBatches;
      if (this.#sum !== undefined) {
        const gradient = this.#step.gradient;
        if (part === 0) this.#sum.set(gradient);
        else this.#accumulate.run({ sum: this.#sum, part: gradient }, {}, 0, gradient.length);
      }
    }
    return { loss, gradient: this.#sum ?? this.#step.gradient };
  }

  /** Compares answers with targets, in the scale that the teacher's answers set. */
  get objective(): Objective {
    return this.#objective;
  }

  /**
   * Targets `[B, T]` of pixels `[B, channels, height, width]` as they are: the teacher's answers.
   * @throws {DiffrateError} where labels are the targets.
   */
  async targetsOf(pixels: Float32Array): Promise<Float32Array> {
    if (this.#teacher === undefined) throw new DiffrateError('There is no teacher: train towards its answers.');
    return this.#objective.targets(await this.#teacher.answers(pixels));
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
    await this.#teacher?.dispose();
  }
}

/** Who says how good an answer is. */
interface Judge {
  readonly objective: Objective;
  /** Absent where labels are the targets. */
  readonly teacher: Teacher | undefined;
}

/** The objective, in the scale that the teacher's answers set where it has one, and the teacher. */
async function judgeOf(
  runtime: Runtime,
  { start, recipe, images: folder, seed }: TrainingOptions,
  { objective }: TrainingPlan,
  session: SessionOptions,
): Promise<Judge> {
  if (recipe.targets === 'labels' || start === undefined) return { objective, teacher: undefined };
  const teacher = await Teacher.load(runtime, start, session);
  if (objective.fitted === undefined) return { objective, teacher };
  try {
    // Of images that cannot be decoded the training itself tells.
    const { answers } = await loadCalibrationImages(
      { model: start, images: folder, seed },
      start.network.answers.size,
      ({ pixels, files }) =>
        teacher.answers(
          pixels,
          files.map((file) => imageKey(file, false)),
        ),
    );
    return { objective: objective.fitted(answers), teacher };
  } catch (error) {
    await teacher.dispose();
    throw error;
  }
}
