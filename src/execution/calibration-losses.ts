/**
 * Losses of schedules on calibration images in memory. Images go through the network block by
 * block, so that no network is loaded for a schedule; they start from the states of the leading
 * schedule that are in memory, as late as the two are alike.
 */
import type { Network } from '../networks/network.ts';
import type { Objective } from '../objectives/objective.ts';
import { effectiveTokens } from '../reduction/schedule.ts';
import type { EffectiveBlock, KeptNumbers } from '../reduction/schedule.ts';
import { tokenCount } from '../reduction/token-layout.ts';
import type { BlockNetworks, BlockState } from './block-networks.ts';
import { firstDifference, roomFor, tokenNumbers } from './leading-states.ts';
import type { LeadingStates } from './leading-states.ts';
import type { Looks } from './looks.ts';
import { pixelCount } from './network-session.ts';

/** What losses are computed of. */
export interface LossSource {
  readonly network: Network;
  readonly blocks: Pick<BlockNetworks, 'embed' | 'run' | 'readout'>;
  readonly objective: Objective;
  readonly looks: Looks;
  /** `[images, channels, height, width]` */
  readonly pixels: Float32Array;
  /** `[images, T]` of the objective. */
  readonly targets: Float32Array;
}

/** Losses of schedules, with the states of the leading one in memory. */
export class CalibrationLosses {
  readonly #source: LossSource;
  /**
   * States of schedules that have run and may lead; they go when nobody has the schedule any more,
   * or another one leads.
   */
  #known = new WeakMap<KeptNumbers, LeadingStates>();
  #leader: LeadingStates | undefined;

  constructor(source: LossSource) {
    this.#source = source;
  }

  /** Distances of a look's images from their targets. */
  async of(kept: KeptNumbers, look: number): Promise<Float64Array> {
    const { looks, network, objective, targets } = this.#source;
    const [start, end] = looks.range(look);
    const losses = new Float64Array(end - start);
    const own = this.#statesOf(kept);
    const { size } = network.answers;
    const { targetSize } = objective;
    for (const [first, after] of looks.runs(look)) {
      const answers = await this.#answers(own, first, after - first);
      for (let image = first; image < after; image++) {
        const target = targets.subarray(image * targetSize, (image + 1) * targetSize);
        const answer = answers.subarray((image - first) * size, (image - first + 1) * size);
        losses[image - start] = objective.distance(target, answer);
      }
    }
    return losses;
  }

  /** Keeps the states of this schedule, for others that begin like it. */
  lead(kept: KeptNumbers): void {
    this.#leader = this.#statesOf(kept);
    // Schedules that led before are kept by whoever found them; their states are of no use.
    this.#known = new WeakMap([[kept, this.#leader]]);
  }

  #statesOf(kept: KeptNumbers): LeadingStates {
    const known = this.#known.get(kept);
    if (known !== undefined) return known;
    const { network, looks } = this.#source;
    const blocks = effectiveTokens(kept, tokenCount(network.layout), network.depth);
    const states = { blocks, states: new Map(), room: roomFor(blocks, looks.images, tokenNumbers(network)) };
    this.#known.set(kept, states);
    return states;
  }

  /** Answers `[batch, D]` of the images from this one on; those beyond `count` mean nothing. */
  async #answers(own: LeadingStates, first: number, count: number): Promise<Float32Array> {
    const { blocks, network } = this.#source;
    const leader = this.#leader;
    const difference = leader === undefined ? 0 : firstDifference(own.blocks, leader.blocks);
    // Up to where they differ the states are the leading schedule's own.
    const known = [...(own.states.get(first) ?? leader?.states.get(first) ?? [])];
    const states = new Map<number, BlockState>(
      own.states.has(first) ? known : known.filter(([block]) => block <= difference),
    );
    const from = Math.max(0, ...states.keys());
    let state = states.get(from) ?? (await blocks.embed(this.#pixelsOf(first, count)));
    for (let block = from; block < own.blocks.length - 1; block++) {
      state = await blocks.run(block, state, own.blocks[block] as EffectiveBlock);
      if (own.room.blocks.has(block + 1)) states.set(block + 1, state);
    }
    if (first + count <= own.room.images) own.states.set(first, states);
    // The last block's numbers reach no readout of prefix tokens.
    return blocks.readout(state, network.reads === 'every-token' ? own.blocks.at(-1) : undefined);
  }

  /** Pixels of a run, zeros after them where they are fewer. */
  #pixelsOf(first: number, count: number): Float32Array {
    const { network, looks, pixels } = this.#source;
    const imageSize = pixelCount(network.input);
    const own = pixels.subarray(first * imageSize, (first + count) * imageSize);
    if (count === looks.batch) return own;
    const padded = new Float32Array(looks.batch * imageSize);
    padded.set(own);
    return padded;
  }
}
