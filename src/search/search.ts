/**
 * The search: from a network and a folder of images to a schedule at a target cost (arXiv 2305.17997, section 3.3, or the default
 * recipe for small data). Images arrive decoded from threads; every step is one run of the step graph.
 */
import { createHash } from 'node:crypto';
import { DiffrateError } from '../errors.ts';
import type { Cost } from '../cost/cost.ts';
import { flopsCost } from '../cost/flops-cost.ts';
import { createImageLoader } from '../data/batches.ts';
import type { ImageBatch, ImageLoader } from '../data/batches.ts';
import { checkLabels } from '../data/image-folder.ts';
import { tokenCount } from '../models/configuration.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import { compressibleBlocks } from '../models/schedule-target.ts';
import { effectiveSchedule } from '../reduction/schedule.ts';
import type { KeptNumbers, Schedule } from '../reduction/schedule.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import { CandidateLearner } from './learners/candidate-learner.ts';
import type { Learner } from './learners/learner.ts';
import { PositionLearner } from './learners/position-learner.ts';
import { presets } from './presets.ts';
import type { Preset } from './presets.ts';
import { readCheckpointFile, removeCheckpoint, writeCheckpoint } from './search-checkpoint.ts';
import type { SearchOptions, SearchOutcome, SearchProgress } from './search-options.ts';
import { SearchStep } from './search-step.ts';
import type { StepResult } from './search-step.ts';
import { SoftTargets } from './soft-targets.ts';

/** Weight of a step in the running mean of the loss. */
const lossWeight = 0.05;

/** A checkpoint is written at most this often, in ms: a step is cheap to repeat. */
const checkpointInterval = 5000;

/** Everything that a search needs besides its options, settled. */
interface Plan {
  readonly preset: Preset;
  readonly seed: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly microBatches: number;
  readonly microBatchSize: number;
  readonly searched: readonly number[];
  readonly cost: Cost;
}

/**
 * Searches a schedule.
 * @throws {DiffrateError} for a target out of reach (with the reachable range), labels that are missing or out of range, images that
 *   cannot be used, a checkpoint of another search.
 */
export async function searchSchedule(options: SearchOptions, onProgress?: (progress: SearchProgress) => void): Promise<SearchOutcome> {
  const plan = planOf(options);
  const { model, folder } = options;
  const learner = learnerOf(model.configuration, plan, options.targetGflops);
  const identity = identityOf(options, plan);
  const resumed = options.resume && options.checkpoint !== undefined ? await readCheckpointFile(options.checkpoint, identity) : undefined;
  if (resumed !== undefined) learner.restore(resumed.learner);
  const runner = await SearchRunner.load(options, plan);
  const loader = createImageLoader({
    folder,
    preprocessing: model.configuration.preprocessing,
    batchSize: plan.microBatchSize,
    order: 'shuffled',
    seed: plan.seed,
    startStep: (resumed?.step ?? 0) * plan.microBatches,
    augmentation: plan.preset.augmentation,
    ...(options.strict === undefined ? {} : { strict: options.strict }),
    ...(options.onWarning === undefined ? {} : { onWarning: options.onWarning }),
  });
  try {
    const history = [...(resumed?.history ?? [])];
    const start = performance.now();
    const first = resumed?.step ?? 0;
    let loss = resumed?.loss ?? 0;
    let saved = start;
    const batches = loader[Symbol.asyncIterator]();
    for (let step = first; step < plan.steps; step++) {
      const result = await runner.run(batches, learner.kept());
      requireFinite(result.loss, step, options.checkpoint);
      loss = step === 0 ? result.loss : loss + lossWeight * (result.loss - loss);
      const gflops = plan.cost.value(learner.kept());
      history.push({ step, loss, gflops });
      learner.update(result, (step + 1) / plan.steps, Math.floor((step * plan.batchSize) / folder.images.length));
      const done = step + 1;
      const now = performance.now();
      const perStep = (now - start) / (done - first);
      onProgress?.({ step: done, steps: plan.steps, loss, gflops, imagesPerSecond: (1000 * plan.batchSize) / perStep, secondsLeft: ((plan.steps - done) * perStep) / 1000 });
      const stopped = options.signal?.aborted === true;
      if (options.checkpoint !== undefined && (stopped || now - saved > checkpointInterval)) {
        await writeCheckpoint(options.checkpoint, { identity, step: done, loss, learner: learner.save(), history });
        saved = now;
      }
      if (stopped) throw new DiffrateError(`The search was stopped after step ${done} of ${plan.steps}; continue it with --resume.`);
    }
    const seconds = (performance.now() - start) / 1000;
    const schedule = scheduleOf(options, plan, learner.finish());
    if (options.checkpoint !== undefined) await removeCheckpoint(options.checkpoint);
    return { schedule, history, steps: plan.steps, seconds, ...measured(loader, seconds) };
  } finally {
    await loader.close();
    await runner.dispose();
  }
}

/** Runs optimizer steps, in micro-batches whose gradients are averaged. */
class SearchRunner {
  readonly #step: SearchStep;
  readonly #targets: SoftTargets;
  readonly #plan: Plan;

  private constructor(step: SearchStep, targets: SoftTargets, plan: Plan) {
    this.#step = step;
    this.#targets = targets;
    this.#plan = plan;
  }

  static async load(options: SearchOptions, plan: Plan): Promise<SearchRunner> {
    const { model, device, threads } = options;
    const session = { ...(device === undefined ? {} : { device }), ...(threads === undefined ? {} : { threads }) };
    const kind = options.targets ?? plan.preset.targets;
    if (kind === 'labels') {
      if (!options.folder.labelled) throw new DiffrateError(`The image folder '${options.folder.directory}' has no labels; search with \`--targets teacher\`, which needs none.`);
      checkLabels(options.folder, model.configuration.classes);
    }
    const targets = await SoftTargets.load(nodeRuntime, model, kind, plan.preset, plan.seed, session);
    const step = await SearchStep.load(nodeRuntime, model.configuration, model.parameters, { ...session, searched: plan.searched, toThemselves: plan.preset.toThemselves });
    return new SearchRunner(step, targets, plan);
  }

  /** The mean over one optimizer step's images; the loss is less the targets' own entropy. */
  async run(batches: AsyncIterator<ImageBatch>, kept: KeptNumbers): Promise<StepResult> {
    const parts: StepResult[] = [];
    for (let part = 0; part < this.#plan.microBatches; part++) {
      const next = await batches.next();
      if (next.done === true) throw new DiffrateError('The image folder gave no batch; check that its images can be decoded.');
      const { pixels, targets, entropy } = await this.#targets.of(next.value);
      const result = await this.#step.run(pixels, targets, kept);
      parts.push({ ...result, loss: result.loss - entropy });
    }
    return averageSteps(parts);
  }

  async dispose(): Promise<void> {
    await this.#step.dispose();
    await this.#targets.dispose();
  }
}

/** Mean of losses and gradients of runs with the same kept numbers. */
function averageSteps(parts: readonly StepResult[]): StepResult {
  const [first] = parts;
  if (first === undefined) throw new DiffrateError('A search step needs at least one batch.');
  const mean = (vectors: readonly (Float64Array | undefined)[]): Float64Array | undefined =>
    vectors[0]?.map((_, index) => vectors.reduce((sum, vector) => sum + (vector?.[index] ?? 0), 0) / vectors.length);
  return {
    loss: parts.reduce((sum, { loss }) => sum + loss, 0) / parts.length,
    gradients: first.gradients.map(({ block }, index) => ({
      block,
      prune: mean(parts.map(({ gradients }) => gradients[index]?.prune)),
      merge: mean(parts.map(({ gradients }) => gradients[index]?.merge)),
    })),
  };
}

function planOf(options: SearchOptions): Plan {
  const { model, folder, targetGflops } = options;
  const { configuration } = model;
  const preset = presets[options.preset];
  const batchSize = options.batchSize ?? preset.batchSize;
  const microBatchSize = Math.min(batchSize, preset.microBatchSize);
  const microBatches = Math.ceil(batchSize / microBatchSize);
  const { length } = preset;
  const steps = options.steps ?? ('steps' in length ? length.steps : Math.ceil((length.epochs * folder.images.length) / batchSize));
  const compressible = compressibleBlocks(configuration);
  const cost = flopsCost(configuration, { compressible });
  const { min, max } = cost.range;
  if (!(targetGflops >= min && targetGflops < max)) {
    throw new DiffrateError(
      `A cost of ${targetGflops} GFLOPs is out of reach for ${model.name} (${cost.baseline.toFixed(3)} GFLOPs uncompressed); choose a target from ${min.toFixed(3)} to below ${max.toFixed(3)} GFLOPs.`,
    );
  }
  const last = configuration.pool === 'class-token' && preset.learner.kind === 'positions' ? configuration.depth - 1 : undefined;
  const searched = compressible.flatMap((may, block) => (may && block !== last ? [block] : []));
  return { preset, seed: options.seed, batchSize: microBatches * microBatchSize, steps, microBatches, microBatchSize, searched, cost };
}

function learnerOf(configuration: VisionTransformerConfiguration, plan: Plan, target: number): Learner {
  const network = { depth: configuration.depth, tokens: tokenCount(configuration), searched: plan.searched };
  const recipe = plan.preset.learner;
  if (recipe.kind === 'candidates') return new CandidateLearner(network, plan.cost, target, recipe);
  return new PositionLearner(network, fixedNumbers(configuration), plan.cost, target, recipe);
}

/** What is not searched: everything is kept, but for the last block of a class-token network, where only that token is read. */
function fixedNumbers(configuration: VisionTransformerConfiguration): KeptNumbers {
  const { depth, pool } = configuration;
  const all = Array.from({ length: depth }, (_, block) => (pool === 'class-token' && block === depth - 1 ? 1 : tokenCount(configuration)));
  return { pruneKept: all, mergeKept: all };
}

function scheduleOf(options: SearchOptions, plan: Plan, kept: KeptNumbers): Schedule {
  const { model, targetGflops } = options;
  const schedule: Schedule = {
    model: model.name,
    inputSize: model.configuration.inputSize,
    pruneKept: kept.pruneKept,
    mergeKept: kept.mergeKept,
    gflops: Number(plan.cost.value(kept).toPrecision(6)),
    target: targetGflops,
    createdBy: `diffrate search, preset ${options.preset}, ${plan.steps} steps of ${plan.batchSize} images, seed ${plan.seed}`,
  };
  return effectiveSchedule(schedule, tokenCount(model.configuration));
}

function measured(loader: ImageLoader, seconds: number): Pick<SearchOutcome, 'waitingShare' | 'peakMemoryBytes' | 'skipped'> {
  return {
    waitingShare: loader.waitingMilliseconds / 1000 / seconds,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    skipped: loader.skipped,
  };
}

/** What makes two searches the same: network, images and every setting. */
function identityOf({ model, folder, targetGflops, preset, targets }: SearchOptions, plan: Plan): string {
  const files = createHash('sha256').update(JSON.stringify(folder.images)).digest('hex').slice(0, 12);
  return `${model.name}, ${targetGflops} GFLOPs, preset ${preset}, targets ${targets ?? plan.preset.targets}, ${plan.steps} steps of ${plan.batchSize}, seed ${plan.seed}, images ${files}`;
}

function requireFinite(loss: number, step: number, checkpoint: string | undefined): void {
  if (Number.isFinite(loss)) return;
  const kept = checkpoint === undefined ? '' : ` The last good state is in '${checkpoint}'.`;
  throw new DiffrateError(`The loss of step ${step} is not a number; check that the weights belong to the model and hold no infinities.${kept}`);
}
