/**
 * One schedule's losses on the calibration images, computed as far as they are needed. Batches go through the network block by block
 * (`loading/block-networks.ts`), so that no network is loaded for a schedule; those of the first look start at the first block in which
 * the schedule differs from the leading one, whose states are in memory.
 */
import { countFlops } from '../cost/flops.ts';
import type { BlockNetworks, BlockState } from '../loading/block-networks.ts';
import { tokenCount } from '../models/configuration.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import { effectiveTokens } from '../reduction/schedule.ts';
import type { EffectiveBlock, KeptNumbers } from '../reduction/schedule.ts';
import { batchesWithRoom, firstDifference } from './leading-blocks.ts';
import type { LeadingBlocks } from './leading-blocks.ts';
import { klDivergence, softmaxRows } from './divergence.ts';
import type { ScheduleLosses } from './race.ts';

/** Where a candidate's images and blocks come from. */
export interface CandidateSource {
  /** Images in all, in the first look, and in a batch of `networks`. */
  readonly size: number;
  readonly firstLook: number;
  readonly batch: number;
  readonly configuration: VisionTransformerConfiguration;
  readonly networks: Pick<BlockNetworks, 'embed' | 'run' | 'classify'>;
  /** Pixels `[batch, 3, S, S]` of these images, zeros after them where they are fewer. */
  pixels(first: number, count: number): Float32Array;
  /** What they should answer, `[count, classes]`. */
  targets(first: number, count: number): Float32Array;
  /** The schedule whose states are in memory. */
  readonly leader: LeadingBlocks | undefined;
  lead(states: LeadingBlocks): void;
}

/** A schedule on its way through the images. */
export class Candidate implements ScheduleLosses {
  /** KL divergence of each image's answer from its target, in nats, up to `done`. */
  readonly losses: Float64Array;
  done = 0;
  passes = 0;
  readonly #source: CandidateSource;
  readonly #leader: LeadingBlocks | undefined;
  readonly #blocks: readonly EffectiveBlock[];
  /** Share of the FLOPs (paper's count) that is spent from each block on. */
  readonly #shareFrom: readonly number[];
  /** States of the first look's batches. */
  readonly #states: BlockState[][] = [];
  readonly #room: number;

  constructor(source: CandidateSource, kept: KeptNumbers) {
    const { configuration, size, batch } = source;
    this.#source = source;
    this.#leader = source.leader;
    this.losses = new Float64Array(size);
    this.#blocks = effectiveTokens(kept, tokenCount(configuration));
    const { blocks, after, total } = countFlops(configuration, kept);
    this.#shareFrom = blocks.map((_, from) => blocks.slice(from).reduce((sum, own) => sum + own, after) / total);
    this.#room = batchesWithRoom(this.#blocks, batch, configuration.width);
  }

  async runTo(end: number): Promise<void> {
    const { batch, configuration } = this.#source;
    const { classes } = configuration;
    while (this.done < end) {
      const count = Math.min(batch, end - this.done);
      const logits = await this.#logits(this.done, count);
      const targets = this.#source.targets(this.done, count);
      for (let image = 0; image < count; image++) {
        const row = (values: Float32Array): Float32Array => values.subarray(image * classes, (image + 1) * classes);
        this.losses[this.done + image] = klDivergence(row(targets), softmaxRows(row(logits), classes));
      }
      this.done += count;
    }
  }

  mean(): number {
    return this.losses.subarray(0, this.done).reduce((sum, loss) => sum + loss, 0) / this.done;
  }

  lead(): void {
    this.#source.lead({ blocks: this.#blocks, states: this.#states });
  }

  async #logits(first: number, count: number): Promise<Float32Array> {
    const { networks, firstLook, batch } = this.#source;
    const position = first < firstLook ? first / batch : undefined;
    const known = position === undefined ? undefined : this.#leader?.states[position];
    const from = known === undefined ? 0 : firstDifference(this.#blocks, (this.#leader as LeadingBlocks).blocks);
    // Up to there the states are the leading schedule's own.
    const states = known?.slice(0, from + 1) ?? [await networks.embed(this.#source.pixels(first, count))];
    this.passes += count * (known === undefined ? 1 : (this.#shareFrom[from] as number));
    const last = this.#blocks.length - 1;
    let state = states[from] as BlockState;
    for (let block = from; block < last; block++) {
      state = await networks.run(block, state, this.#blocks[block] as EffectiveBlock);
      states.push(state);
    }
    if (position !== undefined && position < this.#room) this.#states[position] = states;
    return networks.classify(state);
  }
}
