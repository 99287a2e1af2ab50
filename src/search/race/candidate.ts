/**
 * One schedule on its way through the calibration images. Losses are the evaluator's; what they
 * count as, in image passes, follows from a rule: where the leading schedule's states of common
 * blocks are planned to be in memory, only the share of the FLOPs after them. An image pass costs
 * FLOPs whatever the cost of the schedule is.
 */
import { countFlops } from '../../cost/flops.ts';
import type { Evaluator } from '../../execution/evaluator.ts';
import { chargedFrom, firstDifference, roomFor, tokenNumbers } from '../../execution/leading-states.ts';
import type { LeadingBlocks } from '../../execution/leading-states.ts';
import type { Looks } from '../../execution/looks.ts';
import type { Network } from '../../networks/network.ts';
import { effectiveTokens } from '../../reduction/schedule.ts';
import type { EffectiveBlock, KeptNumbers } from '../../reduction/schedule.ts';
import { tokenCount } from '../../reduction/token-layout.ts';
import type { ComparedImages, ScheduleLosses } from './race.ts';

/** Calibration images of an evaluator, on which schedules are compared. */
export class EvaluatedImages implements ComparedImages {
  readonly looks: Looks;
  readonly #network: Network;
  readonly #evaluator: Pick<Evaluator, 'losses' | 'lead'>;
  #leader: LeadingBlocks | undefined;

  /** @param looks as `Evaluator.calibrate` gave them. */
  constructor(network: Network, evaluator: Pick<Evaluator, 'losses' | 'lead'>, looks: Looks) {
    this.#network = network;
    this.#evaluator = evaluator;
    this.looks = looks;
  }

  candidate(kept: KeptNumbers): Candidate {
    return new Candidate(kept, {
      network: this.#network,
      evaluator: this.#evaluator,
      looks: this.looks,
      leader: this.#leader,
      lead: (blocks) => {
        this.#leader = blocks;
        this.#evaluator.lead(kept);
      },
    });
  }
}

/** Where a candidate's losses come from. */
interface CandidateSource {
  readonly network: Network;
  readonly evaluator: Pick<Evaluator, 'losses'>;
  readonly looks: Looks;
  /** The schedule whose states are in memory. */
  readonly leader: LeadingBlocks | undefined;
  lead(blocks: LeadingBlocks): void;
}

/** A schedule on its way through the images. */
export class Candidate implements ScheduleLosses {
  /** Distance of each image's answer from its target, in the objective's unit. */
  readonly losses: Float64Array;
  passes = 0;
  readonly #kept: KeptNumbers;
  readonly #source: CandidateSource;
  readonly #own: LeadingBlocks;
  /** Share of the FLOPs (paper's count) that is spent from each block on. */
  readonly #shareFrom: readonly number[];
  /** The first block in which this schedule differs from the leading one. */
  readonly #difference: number;

  constructor(kept: KeptNumbers, source: CandidateSource) {
    const { network, looks, leader } = source;
    this.#kept = kept;
    this.#source = source;
    this.losses = new Float64Array(looks.images);
    const blocks: readonly EffectiveBlock[] = effectiveTokens(kept, tokenCount(network.layout), network.depth);
    this.#own = { blocks, room: roomFor(blocks, looks.images, tokenNumbers(network)) };
    const count = countFlops(network, kept);
    this.#shareFrom = count.blocks.map(
      (_, from) => count.blocks.slice(from).reduce((sum, own) => sum + own, count.after) / count.total,
    );
    this.#difference = leader === undefined ? 0 : firstDifference(blocks, leader.blocks);
  }

  async run(look: number): Promise<void> {
    const { evaluator, looks } = this.#source;
    this.losses.set(await evaluator.losses(this.#kept, look), looks.range(look)[0]);
    for (const [first, after] of looks.runs(look)) this.passes += (after - first) * this.#charged(after);
  }

  lead(): void {
    this.#source.lead(this.#own);
  }

  /** Share of the FLOPs that counts as run for images that end before this one. */
  #charged(end: number): number {
    const { leader } = this.#source;
    const from = leader === undefined || end > leader.room.images ? undefined : chargedFrom(leader, this.#difference);
    return from === undefined ? 1 : (this.#shareFrom[from] as number);
  }
}
