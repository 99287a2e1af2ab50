/**
 * One schedule's losses on the calibration images, computed as far as they are needed. Batches go through the network block by block
 * (`loading/block-networks.ts`), so that no network is loaded for a schedule; they start from the states of the leading schedule that are in
 * memory, as late as the two are alike.
 */
import { countFlops } from '../cost/flops.ts';
import type { BlockNetworks, BlockState } from '../loading/block-networks.ts';
import { tokenCount } from '../models/configuration.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import { effectiveTokens } from '../reduction/schedule.ts';
import type { EffectiveBlock, KeptNumbers } from '../reduction/schedule.ts';
import { chargedFrom, firstDifference, roomFor } from './leading-blocks.ts';
import type { LeadingBlocks, Room } from './leading-blocks.ts';
import { klDivergence, softmaxRows } from './divergence.ts';
import type { Looks, ScheduleLosses } from './race.ts';

/** Where a candidate's images and blocks come from. */
export interface CandidateSource {
  readonly looks: Looks;
  /** Images in a batch of `networks`. */
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
  /** KL divergence of each image's answer from its target, in nats. */
  readonly losses: Float64Array;
  passes = 0;
  readonly #source: CandidateSource;
  readonly #leader: LeadingBlocks | undefined;
  readonly #blocks: readonly EffectiveBlock[];
  /** Share of the FLOPs (paper's count) that is spent from each block on. */
  readonly #shareFrom: readonly number[];
  /** As in `LeadingBlocks`. */
  readonly #states = new Map<number, Map<number, BlockState>>();
  readonly #room: Room;
  /** The first block in which this schedule differs from the leading one. */
  readonly #difference: number;

  constructor(source: CandidateSource, kept: KeptNumbers) {
    const { configuration, looks, leader } = source;
    this.#source = source;
    this.#leader = leader;
    this.losses = new Float64Array(looks.images);
    this.#blocks = effectiveTokens(kept, tokenCount(configuration));
    const { blocks, after, total } = countFlops(configuration, kept);
    this.#shareFrom = blocks.map((_, from) => blocks.slice(from).reduce((sum, own) => sum + own, after) / total);
    this.#room = roomFor(this.#blocks, looks.images, configuration.width);
    this.#difference = leader === undefined ? 0 : firstDifference(this.#blocks, leader.blocks);
  }

  async run(look: number): Promise<void> {
    const { batch, configuration, looks, targets } = this.#source;
    const { classes } = configuration;
    const [start, end] = looks.range(look);
    for (let first = start; first < end; first += batch) {
      const count = Math.min(batch, end - first);
      const logits = await this.#logits(first, count);
      const wanted = targets(first, count);
      for (let image = 0; image < count; image++) {
        const row = (values: Float32Array): Float32Array => values.subarray(image * classes, (image + 1) * classes);
        this.losses[first + image] = klDivergence(row(wanted), softmaxRows(row(logits), classes));
      }
    }
  }

  lead(): void {
    this.#source.lead({ blocks: this.#blocks, states: this.#states, room: this.#room });
  }

  /** Share of the FLOPs that counts as run for a batch of images that ends before this one. */
  #charged(end: number): number {
    const from =
      this.#leader === undefined || end > this.#leader.room.images
        ? undefined
        : chargedFrom(this.#leader, this.#difference);
    return from === undefined ? 1 : (this.#shareFrom[from] as number);
  }

  async #logits(first: number, count: number): Promise<Float32Array> {
    const { networks, pixels } = this.#source;
    // Up to where they differ the states are the leading schedule's own.
    const known = [...(this.#leader?.states.get(first) ?? [])];
    const states = new Map(known.filter(([block]) => block <= this.#difference));
    const from = Math.max(0, ...states.keys());
    this.passes += count * this.#charged(first + count);
    let state = states.get(from) ?? (await networks.embed(pixels(first, count)));
    for (let block = from; block < this.#blocks.length - 1; block++) {
      state = await networks.run(block, state, this.#blocks[block] as EffectiveBlock);
      if (this.#room.blocks.has(block + 1)) states.set(block + 1, state);
    }
    if (first + count <= this.#room.images) this.#states.set(first, states);
    return networks.classify(state);
  }
}
