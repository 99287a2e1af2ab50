/** Runs optimizer steps of a search: batches with their targets through the step graph, in micro-batches that are averaged. */
import { DiffrateError } from '../errors.ts';
import type { ImageBatch } from '../data/batches.ts';
import { checkLabels } from '../data/image-folder.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import type { Plan } from './plan.ts';
import type { SearchOptions } from './search-options.ts';
import { SearchStep } from './search-step.ts';
import type { BlockGradients, StepResult } from './search-step.ts';
import { SoftTargets } from './soft-targets.ts';

/** Runs optimizer steps, in micro-batches whose gradients are averaged. */
export class SearchRunner {
  readonly #step: SearchStep;
  readonly #targets: SoftTargets;
  readonly #plan: Plan;

  private constructor(step: SearchStep, targets: SoftTargets, plan: Plan) {
    this.#step = step;
    this.#targets = targets;
    this.#plan = plan;
  }

  /**
   * Loads the graphs.
   * @throws {DiffrateError} where labels are the targets and there are none, or some are out of range.
   */
  static async load(
    options: Pick<SearchOptions, 'model' | 'folder'>,
    plan: Plan,
    session: SessionOptions,
  ): Promise<SearchRunner> {
    const { model } = options;
    if (plan.targets === 'labels') {
      if (!options.folder.labelled)
        throw new DiffrateError(
          `The image folder '${options.folder.directory}' has no labels; search with \`--targets teacher\`, which needs none.`,
        );
      checkLabels(options.folder, model.configuration.classes);
    }
    const targets = await SoftTargets.load(nodeRuntime, model, plan.targets, plan.preset, plan.seed, session);
    try {
      const step = await SearchStep.load(nodeRuntime, model.configuration, model.parameters, {
        ...session,
        searched: plan.network.searched,
        toThemselves: plan.preset.toThemselves,
      });
      return new SearchRunner(step, targets, plan);
    } catch (error) {
      await targets.dispose();
      throw error;
    }
  }

  /** The mean over one optimizer step's images; the loss is less the targets' own entropy. */
  async run(batches: AsyncIterator<ImageBatch>, kept: KeptNumbers): Promise<StepResult> {
    const parts: StepResult[] = [];
    for (let part = 0; part < this.#plan.microBatches; part++) {
      const next = await batches.next();
      if (next.done === true)
        throw new DiffrateError('The image folder gave no batch; check that its images can be decoded.');
      const { pixels, targets, entropy } = await this.#targets.of(next.value);
      const result = await this.#step.run(pixels, targets, kept);
      parts.push({ ...result, loss: result.loss - entropy });
    }
    return averageSteps(parts);
  }

  /** Frees the graphs. */
  async dispose(): Promise<void> {
    await this.#step.dispose();
    await this.#targets.dispose();
  }
}

/** Mean of losses and gradients of runs with the same kept numbers. */
function averageSteps(parts: readonly StepResult[]): StepResult {
  const [first] = parts;
  if (first === undefined) throw new DiffrateError('A search step needs at least one batch.');
  const mean = (vectors: readonly Float64Array[]): Float64Array =>
    Float64Array.from(
      vectors[0] ?? [],
      (_, index) => vectors.reduce((sum, vector) => sum + (vector[index] ?? 0), 0) / vectors.length,
    );
  const maybeMean = (vectors: readonly (Float64Array | undefined)[]): Float64Array | undefined => {
    const there = vectors.filter((vector) => vector !== undefined);
    return there.length === vectors.length ? mean(there) : undefined;
  };
  return {
    loss: parts.reduce((sum, { loss }) => sum + loss, 0) / parts.length,
    gradients: first.gradients.map(({ block, start, end }, index) => {
      const of = <T>(pick: (gradients: BlockGradients) => T): T[] =>
        parts.map(({ gradients }) => pick(gradients[index] as BlockGradients));
      return {
        block,
        start,
        end,
        mask: mean(of(({ mask }) => mask)),
        merging: mean(of(({ merging }) => merging)),
        prune: maybeMean(of(({ prune }) => prune)),
        merge: maybeMean(of(({ merge }) => merge)),
      };
    }),
  };
}
