/**
 * An evaluator in this process: gradients of shuffled batches, and losses of schedules on
 * calibration images, with one teacher for both.
 */
import { createImageLoader } from '../data/batches.ts';
import type { ImageBatch, ImageLoader, SkippedImage } from '../data/batches.ts';
import type { DecodedImages } from '../data/decoded-images.ts';
import { checkLabels, requireLabels } from '../data/image-source.ts';
import type { ImageSource } from '../data/image-source.ts';
import { distinctImages } from '../data/skipped-images.ts';
import { DiffrateError } from '../errors.ts';
import type { Model } from '../networks/model.ts';
import type { Objective } from '../objectives/objective.ts';
import type { MergeRule } from '../reduction/merge-rule.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { SearchSpace } from '../reduction/search-space.ts';
import type { Selection } from '../reduction/selection.ts';
import type { Runtime, SessionOptions } from '../runtime/runtime.ts';
import { BlockNetworks } from './block-networks.ts';
import { loadCalibrationImages } from './calibration-images.ts';
import type { Evaluator } from './evaluator.ts';
import { GradientStep, meanOfSteps } from './gradient-step.ts';
import type { StepResult, WeightedStep } from './gradient-step.ts';
import { Looks } from './looks.ts';
import { CalibrationLosses } from './calibration-losses.ts';
import { requireLabelTargets, SoftTargets } from './soft-targets.ts';
import type { TargetKind, TargetRecipe } from './soft-targets.ts';
import { imageKey, Teacher } from './teacher.ts';

/** What is evaluated, on which images, and where. */
export interface LocalEvaluatorOptions {
  readonly runtime: Runtime;
  readonly session: SessionOptions;
  readonly model: Model;
  readonly images: ImageSource;
  readonly objective: Objective;
  readonly targets: TargetKind;
  readonly recipe: TargetRecipe;
  /** Removed tokens attend to themselves in the masked network. */
  readonly toThemselves: boolean;
  readonly space: SearchSpace;
  /** How tokens merge. */
  readonly merging: MergeRule;
  /** Which tokens go, where that is not by class attention alone. */
  readonly selection?: Selection | undefined;
  readonly seed: number;
  /** A batch is so many micro-batches of so many images. */
  readonly microBatches: number;
  readonly microBatchSize: number;
  readonly decoded?: DecodedImages | undefined;
  readonly strict?: boolean | undefined;
  /** Called once for each image that is left out. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Checks that images and objective have the targets that are wanted.
 * @throws {DiffrateError} where labels are the targets and some images have none, some are out of
 *   range, or the objective takes none.
 */
export function checkTargets({
  images,
  model,
  targets,
  objective,
}: Pick<LocalEvaluatorOptions, 'images' | 'model' | 'targets' | 'objective'>): void {
  if (targets !== 'labels') return;
  requireLabels(images, 'give them, or compare with the uncompressed network, which needs none');
  requireLabelTargets(objective);
  checkLabels(images, model.network.answers.size);
}

/** Computes everything in this process. */
export class LocalEvaluator implements Evaluator {
  readonly #options: LocalEvaluatorOptions;
  #objective: Objective;
  /** Loaded when first asked for. */
  #teacher: Promise<Teacher> | undefined;
  #gradients: Promise<GradientPhase> | undefined;
  /** Of the batches, while there are gradients. */
  #loader: ImageLoader | undefined;
  #calibration: Calibration | undefined;
  #skipped: readonly SkippedImage[] = [];
  #waited = 0;

  private constructor(options: LocalEvaluatorOptions) {
    this.#options = options;
    this.#objective = options.objective;
  }

  /**
   * An evaluator. Where the objective has a scale that plain answers set, the calibration images
   * are asked first.
   * @throws {DiffrateError} where labels are the targets and there are none, some are out of range,
   *   or the objective takes none.
   */
  static async create(options: LocalEvaluatorOptions): Promise<LocalEvaluator> {
    checkTargets(options);
    const evaluator = new LocalEvaluator(options);
    try {
      await evaluator.#fit();
    } catch (error) {
      await evaluator.dispose();
      throw error;
    }
    return evaluator;
  }

  async gradient(kept: KeptNumbers, batch: number): Promise<StepResult> {
    const { step, targets, batches } = await this.#loadGradients(batch);
    const { microBatches } = this.#options;
    const parts: WeightedStep[] = [];
    for (let part = 0; part < microBatches; part++) {
      const images = await batches.at(batch * microBatches + part);
      parts.push({ images: images.indices.length, result: await step.run(await targets.of(images), kept) });
    }
    return meanOfSteps(parts);
  }

  async calibrate(looks: number, onBatch: () => Promise<void> = () => Promise.resolve()): Promise<Looks> {
    // What follows gradients needs their graph and their threads no more.
    await this.#closeGradients();
    if (this.#calibration?.looks.wanted === looks) return this.#calibration.looks;
    const former = this.#calibration;
    // What is loaded next takes its place, also where that fails.
    this.#calibration = undefined;
    await former?.blocks.dispose();
    const { model, objective } = { model: this.#options.model, objective: this.#objective };
    const { targetSize } = objective;
    const { images, pixels, answers, skipped } = await loadCalibrationImages(
      this.#options,
      targetSize,
      async (batch) => {
        const targets = await this.#targetsOf(batch);
        await onBatch();
        return targets;
      },
    );
    this.#skipped = [...this.#skipped, ...skipped];
    const parts = new Looks(images, looks);
    const { runtime, session, merging, selection } = this.#options;
    const blocks = new BlockNetworks(model, { ...session, runtime, merging, selection, batch: parts.batch });
    const source = { network: model.network, blocks, objective, looks: parts, pixels, targets: answers };
    this.#calibration = { looks: parts, blocks, losses: new CalibrationLosses(source) };
    return parts;
  }

  async losses(kept: KeptNumbers, look: number): Promise<Float64Array> {
    return this.#calibrated.losses.of(kept, look);
  }

  lead(kept: KeptNumbers): void {
    this.#calibrated.losses.lead(kept);
  }

  get skipped(): readonly SkippedImage[] {
    return distinctImages([...this.#skipped, ...(this.#loader?.skipped ?? [])]);
  }

  get waitingMilliseconds(): number {
    return this.#waited + (this.#loader?.waitingMilliseconds ?? 0);
  }

  async dispose(): Promise<void> {
    await this.#closeGradients();
    await this.#calibration?.blocks.dispose();
    await (await this.#teacher)?.dispose();
    this.#calibration = undefined;
    this.#teacher = undefined;
  }

  get #calibrated(): Calibration {
    if (this.#calibration === undefined) throw new DiffrateError('The calibration images are not loaded yet.');
    return this.#calibration;
  }

  /** An objective's scale comes from what the plain network answers on the calibration images. */
  async #fit(): Promise<void> {
    const { targets, model, objective } = this.#options;
    if (targets !== 'teacher' || objective.fitted === undefined) return;
    const teacher = await this.#loadTeacher();
    const { answers } = await loadCalibrationImages(this.#options, model.network.answers.size, (batch) =>
      teacher.answers(batch.pixels, plainKeys(batch)),
    );
    this.#objective = objective.fitted(answers);
  }

  /** Targets of centre crops. */
  async #targetsOf(batch: ImageBatch): Promise<Float32Array> {
    const { targets } = this.#options;
    if (targets === 'labels') return this.#objective.labelTargets?.(batch.labels ?? new Int32Array()) as Float32Array;
    const teacher = await this.#loadTeacher();
    return this.#objective.targets(await teacher.answers(batch.pixels, plainKeys(batch)));
  }

  #loadTeacher(): Promise<Teacher> {
    if (this.#teacher !== undefined) return this.#teacher;
    const { runtime, model, session } = this.#options;
    const loading = Teacher.load(runtime, model, session);
    this.#teacher = loading;
    // One that could not be loaded may be asked for again.
    loading.catch(() => (this.#teacher = undefined));
    return loading;
  }

  #loadGradients(batch: number): Promise<GradientPhase> {
    if (this.#gradients !== undefined) return this.#gradients;
    const loading = this.#gradientsFrom(batch);
    this.#gradients = loading;
    loading.catch(() => (this.#gradients = undefined));
    return loading;
  }

  async #gradientsFrom(batch: number): Promise<GradientPhase> {
    const {
      runtime,
      session,
      model,
      recipe,
      seed,
      space,
      toThemselves,
      targets: kind,
      microBatches,
      merging,
      selection,
    } = this.#options;
    const objective = this.#objective;
    const teacher = kind === 'teacher' ? await this.#loadTeacher() : undefined;
    const targets = new SoftTargets(recipe, objective, seed, teacher);
    const rules = { merging, selection };
    const step = await GradientStep.load(model, { ...session, runtime, objective, space, toThemselves, rules });
    try {
      const batches = new NumberedBatches(this.#options, batch * microBatches);
      this.#loader = batches.loader;
      return { step, targets, batches };
    } catch (error) {
      await step.dispose();
      throw error;
    }
  }

  async #closeGradients(): Promise<void> {
    const gradients = await this.#gradients;
    if (gradients === undefined) return;
    const { loader } = gradients.batches;
    this.#gradients = undefined;
    this.#loader = undefined;
    this.#waited += loader.waitingMilliseconds;
    this.#skipped = [...this.#skipped, ...loader.skipped];
    try {
      await loader.close();
    } finally {
      await gradients.step.dispose();
    }
  }
}

interface GradientPhase {
  readonly step: GradientStep;
  readonly targets: SoftTargets;
  readonly batches: NumberedBatches;
}

interface Calibration {
  readonly looks: Looks;
  readonly blocks: BlockNetworks;
  readonly losses: CalibrationLosses;
}

/** Keys of images that are as they come, not mirrored. */
const plainKeys = ({ files }: ImageBatch): string[] => files.map((file) => imageKey(file, false));

/** Shuffled batches by number; those that follow each other are decoded ahead. */
class NumberedBatches {
  readonly loader: ImageLoader;
  #iterator: AsyncGenerator<ImageBatch, void, undefined>;
  #next: number;

  constructor(options: LocalEvaluatorOptions, first: number) {
    const { images: folder, model, microBatchSize, seed, recipe, decoded, strict, onWarning } = options;
    this.loader = createImageLoader({
      source: folder,
      preprocessing: model.preprocessing,
      batchSize: microBatchSize,
      order: 'shuffled',
      seed,
      augmentation: recipe.augmentation,
      ...(decoded === undefined ? {} : { decoded }),
      ...(strict === undefined ? {} : { strict }),
      ...(onWarning === undefined ? {} : { onWarning }),
    });
    this.#iterator = this.loader.batches(first);
    this.#next = first;
  }

  /** The batch of this number. */
  async at(number: number): Promise<ImageBatch> {
    if (number !== this.#next) this.#iterator = this.loader.batches(number);
    this.#next = number + 1;
    const next = await this.#iterator.next();
    if (next.done !== true) return next.value;
    throw new DiffrateError('The image folder gave no batch; check that its images can be decoded.');
  }
}
