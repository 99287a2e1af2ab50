/** Images whose losses are known for every schedule, in place of networks. */
import { Looks } from '../../src/execution/looks.ts';
import { effectiveTokens } from '../../src/reduction/schedule.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import type { ComparedImages, ScheduleLosses } from '../../src/search/race/race.ts';
import { deepTokens } from './deep-network.ts';

const images = 40;

/** What tokens are worth after each block, and pruning less than merging. */
const weights = [0, 1, 2, 9, 3, 0];

/** The loss of a schedule, known beforehand. */
export function meanLoss(kept: KeptNumbers): number {
  return effectiveTokens(kept, deepTokens).reduce(
    (sum, block, index) =>
      sum + (weights[index] as number) / block.tokensOut + 0.002 * Math.abs(block.tokensIn - block.pruneKept - 2),
    0,
  );
}

/** The loss of one of the images, some of which mind more. */
const lossOf = (kept: KeptNumbers, image: number): number => meanLoss(kept) * (1 + 0.5 * Math.sin(image));

/** The losses of all of them. */
export const knownLosses = (kept: KeptNumbers): Float64Array =>
  Float64Array.from({ length: images }, (_, image) => lossOf(kept, image));

/** Images that differ in how much they mind, and remember what is asked of them. */
export class KnownImages implements ComparedImages {
  readonly looks = new Looks(images, 4);
  /** Schedules that came to lead, in order. */
  readonly led: KeptNumbers[] = [];
  readonly compared: KeptNumbers[] = [];
  /** The looks that each candidate ran. */
  readonly ran: number[][] = [];

  candidate(kept: KeptNumbers): ScheduleLosses {
    this.compared.push(kept);
    const losses = new Float64Array(this.looks.images);
    const ran: number[] = [];
    this.ran.push(ran);
    let passes = 0;
    const run = (look: number): void => {
      const [first, end] = this.looks.range(look);
      for (let image = first; image < end; image++) losses[image] = lossOf(kept, image);
      passes += end - first;
      ran.push(look);
    };
    return {
      losses,
      get passes(): number {
        return passes;
      },
      run: (look) => Promise.resolve(run(look)),
      lead: () => {
        this.led.push(kept);
      },
    };
  }
}
