/** Runs the step graph: kept numbers in, loss and gradients per position of every proxy out. */
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import { tokenCount } from '../models/configuration.ts';
import type { Parameters } from '../nn/parameters.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { Runtime, RuntimeTensor, Session, SessionOptions } from '../runtime/runtime.ts';
import { blockMasks, maskFeeds, sourceRange, splitMaskGradient } from './masks.ts';
import type { BlockMasks } from './masks.ts';
import { buildStepGraph } from './step-graph.ts';

/** Gradients by sorted position for one block. */
export interface BlockGradients {
  readonly block: number;
  /** With respect to the mask at each position: what a token's presence changes. */
  readonly mask: Float64Array;
  /** With respect to how much of a token is merged into its destination; only positions `start…end − 1` go, the others are 0. */
  readonly merging: Float64Array;
  readonly start: number;
  readonly end: number;
  /** The mask's gradient as the published proxies get it; `undefined` where a proxy took no part. */
  readonly prune: Float64Array | undefined;
  readonly merge: Float64Array | undefined;
}

/** What one step gives. */
export interface StepResult {
  /** Mean cross-entropy with the targets, in nats. */
  readonly loss: number;
  readonly gradients: readonly BlockGradients[];
}

/** Choices of the step graph. */
export interface SearchStepOptions extends SessionOptions {
  /** Blocks with proxies whose gradient is wanted. */
  readonly searched: readonly number[];
  /** Removed tokens attend to themselves, as in the paper. */
  readonly toThemselves: boolean;
}

/** A loaded step graph. */
export class SearchStep {
  readonly #session: Session;
  readonly #searched: readonly number[];
  readonly #tokens: number;
  readonly #depth: number;

  private constructor(session: Session, searched: readonly number[], configuration: VisionTransformerConfiguration) {
    this.#session = session;
    this.#searched = searched;
    this.#tokens = tokenCount(configuration);
    this.#depth = configuration.depth;
  }

  /** Builds and loads the graph. */
  static async load(
    runtime: Runtime,
    configuration: VisionTransformerConfiguration,
    parameters: Parameters,
    options: SearchStepOptions,
  ): Promise<SearchStep> {
    const { model } = buildStepGraph(configuration, parameters, options.searched, options.toThemselves);
    return new SearchStep(await runtime.load(model, options), options.searched, configuration);
  }

  /**
   * One forward and backward pass.
   * @param pixels `[B, 3, S, S]`
   * @param targets soft targets `[B, classes]`
   * @param kept integers, per block of the network
   */
  async run(pixels: RuntimeTensor, targets: RuntimeTensor, kept: KeptNumbers): Promise<StepResult> {
    const masks = this.#masks(kept);
    const feeds: Record<string, RuntimeTensor> = { pixel_values: pixels, targets };
    for (const block of this.#searched) {
      Object.assign(feeds, maskFeeds(block, this.#tokens, masks[block] as BlockMasks));
    }
    const wanted = this.#searched.flatMap((block) => [
      `blocks.${block}.mask_gradient`,
      `blocks.${block}.source_gradient`,
    ]);
    const results = await this.#session.run(feeds, ['loss', ...wanted]);
    const values = (name: string): Float64Array =>
      Float64Array.from((results[name] as RuntimeTensor).data as Float32Array);
    const gradients = this.#searched.map((block): BlockGradients => {
      const own = masks[block] as BlockMasks;
      const mask = values(`blocks.${block}.mask_gradient`);
      const { start, end } = sourceRange(this.#tokens, own);
      const merging = new Float64Array(this.#tokens);
      merging.set(values(`blocks.${block}.source_gradient`), start);
      const removes = own.liveAfter < own.liveBefore;
      return { block, mask, merging, start: removes ? start : end, end, ...splitMaskGradient(own, mask) };
    });
    return { loss: Number(results['loss']?.data[0]), gradients };
  }

  /** Frees the session. */
  async dispose(): Promise<void> {
    await this.#session.dispose();
  }

  #masks(kept: KeptNumbers): BlockMasks[] {
    const masks: BlockMasks[] = [];
    let live = this.#tokens;
    for (let block = 0; block < this.#depth; block++) {
      const next = blockMasks(this.#tokens, live, kept.pruneKept[block] ?? live, kept.mergeKept[block] ?? live);
      masks.push(next);
      live = next.liveAfter;
    }
    return masks;
  }
}
