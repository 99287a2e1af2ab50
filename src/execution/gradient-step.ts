/**
 * Runs the step graph: kept numbers in, loss and gradients per position out. A batch is cut into
 * pieces of a few images, whose results are added up in their order in float64: whoever computes a
 * piece, the sum is the same.
 */
import type { Objective } from '../objectives/objective.ts';
import type { KeptNumbers, ReductionRules } from '../reduction/schedule.ts';
import type { SearchSpace } from '../reduction/search-space.ts';
import type { Selection } from '../reduction/selection.ts';
import { tokenCount } from '../reduction/token-layout.ts';
import { floats } from '../runtime/runtime.ts';
import type { Runtime, RuntimeTensor, Session, SessionOptions } from '../runtime/runtime.ts';
import { blockMasks, maskFeeds, sourceRange } from './masks.ts';
import type { BlockMasks } from './masks.ts';
import type { BuiltNetwork } from './network-session.ts';
import type { TargetedBatch } from './soft-targets.ts';
import { buildStepGraph } from './step-graph.ts';

/** Images of a piece. */
export const pieceImages = 4;

/** Gradients by sorted position for one block. */
export interface BlockGradients {
  readonly block: number;
  /** With respect to the mask at each position: what a token's presence changes. */
  readonly mask: Float64Array;
  /**
   * With respect to how much of a token is merged into its destination; only positions
   * `start…end − 1` go, the others are 0.
   */
  readonly merging: Float64Array;
  readonly start: number;
  readonly end: number;
  /** What was masked in this step. */
  readonly masks: BlockMasks;
}

/** What one step gives. */
export interface StepResult {
  /**
   * Mean of the objective's loss over images, less what is left of it when the answers are right.
   */
  readonly loss: number;
  readonly gradients: readonly BlockGradients[];
}

/** Choices of the step graph. */
export interface GradientStepOptions extends SessionOptions {
  readonly runtime: Runtime;
  readonly objective: Objective;
  /** Blocks with proxies whose gradient is wanted, among others. */
  readonly space: SearchSpace;
  /** Removed tokens attend to themselves, as in the paper. */
  readonly toThemselves: boolean;
  /** Which tokens go, and how they merge; by default as published. */
  readonly rules?: ReductionRules | undefined;
}

/** A loaded step graph. */
export class GradientStep {
  readonly #session: Session;
  readonly #objective: Objective;
  readonly #space: SearchSpace;
  readonly #selection: Selection | undefined;

  private constructor(session: Session, objective: Objective, space: SearchSpace, selection: Selection | undefined) {
    this.#session = session;
    this.#objective = objective;
    this.#space = space;
    this.#selection = selection;
  }

  /** Builds and loads the graph. */
  static async load(model: BuiltNetwork, options: GradientStepOptions): Promise<GradientStep> {
    const { runtime, objective, space, toThemselves, rules = {}, ...session } = options;
    const graph = buildStepGraph(model, objective, space.searched, toThemselves, rules);
    return new GradientStep(await runtime.load(graph.model, session), objective, space, rules.selection);
  }

  /**
   * Forward and backward passes over a batch, piece by piece.
   * @param kept integers, per block of the span.
   */
  async run(batch: TargetedBatch, kept: KeptNumbers): Promise<StepResult> {
    const masks = this.#masks(kept);
    const parts: WeightedStep[] = [];
    const [images] = batch.shape;
    for (let first = 0; first < images; first += pieceImages) {
      const count = Math.min(pieceImages, images - first);
      parts.push({ images: count, result: await this.#piece(pieceOf(batch, first, count), masks) });
    }
    return meanOfSteps(parts);
  }

  /** Frees the session. */
  async dispose(): Promise<void> {
    await this.#session.dispose();
  }

  async #piece({ pixels, shape, targets }: TargetedBatch, masks: readonly BlockMasks[]): Promise<StepResult> {
    const { layout, searched } = this.#space;
    const tokens = tokenCount(layout);
    const feeds: Record<string, RuntimeTensor> = {
      pixel_values: floats(pixels, shape),
      targets: floats(targets, [shape[0], this.#objective.targetSize]),
    };
    for (const block of searched) {
      Object.assign(feeds, maskFeeds(block, layout, masks[block] as BlockMasks, this.#selection));
    }
    const wanted = searched.flatMap((block) => [`blocks.${block}.mask_gradient`, `blocks.${block}.source_gradient`]);
    const results = await this.#session.run(feeds, ['loss', ...wanted]);
    const values = (name: string): Float64Array =>
      Float64Array.from((results[name] as RuntimeTensor).data as Float32Array);
    const gradients = searched.map((block): BlockGradients => {
      const own = masks[block] as BlockMasks;
      const { start, end } = sourceRange(tokens, own);
      const merging = new Float64Array(tokens);
      merging.set(values(`blocks.${block}.source_gradient`), start);
      const removes = own.liveAfter < own.liveBefore;
      const mask = values(`blocks.${block}.mask_gradient`);
      return { block, mask, merging, start: removes ? start : end, end, masks: own };
    });
    return { loss: Number(results['loss']?.data[0]) - this.#objective.floor(targets), gradients };
  }

  #masks(kept: KeptNumbers): BlockMasks[] {
    const tokens = tokenCount(this.#space.layout);
    const masks: BlockMasks[] = [];
    let live = tokens;
    for (let block = 0; block < this.#space.depth; block++) {
      const next = blockMasks(tokens, live, kept.pruneKept[block] ?? live, kept.mergeKept[block] ?? live);
      masks.push(next);
      live = next.liveAfter;
    }
    return masks;
  }
}

/** A result of so many images. */
export interface WeightedStep {
  readonly images: number;
  readonly result: StepResult;
}

/**
 * Mean over images of results with the same kept numbers, at least one; sums are taken in their
 * order.
 */
export function meanOfSteps(parts: readonly WeightedStep[]): StepResult {
  const images = parts.reduce((sum, part) => sum + part.images, 0);
  const mean = (vectors: readonly Float64Array[]): Float64Array =>
    Float64Array.from(
      vectors[0] ?? [],
      (_, index) =>
        vectors.reduce((sum, vector, part) => sum + (vector[index] ?? 0) * (parts[part]?.images ?? 0), 0) / images,
    );
  const [first] = parts as [WeightedStep];
  return {
    loss: parts.reduce((sum, part) => sum + part.result.loss * part.images, 0) / images,
    gradients: first.result.gradients.map((own, index) => {
      const of = (name: 'mask' | 'merging'): Float64Array =>
        mean(parts.map(({ result }) => (result.gradients[index] as BlockGradients)[name]));
      return { ...own, mask: of('mask'), merging: of('merging') };
    }),
  };
}

/** Some of a batch's images. */
function pieceOf({ pixels, shape, targets }: TargetedBatch, first: number, count: number): TargetedBatch {
  const [images, ...rest] = shape;
  const part = (values: Float32Array): Float32Array => {
    const size = values.length / images;
    return values.subarray(first * size, (first + count) * size);
  };
  return { pixels: part(pixels), shape: [count, ...rest], targets: part(targets) };
}
