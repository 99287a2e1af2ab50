/** Images whose losses are known for every schedule, in place of networks. */
import { effectiveTokens } from '../../src/reduction/schedule.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import type { ComparedImages, ScheduleLosses } from '../../src/search/race.ts';
import { deepTokens } from './deep-network.ts';

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

/** Images that differ in how much they mind, and remember what is asked of them. */
export class KnownImages implements ComparedImages {
  readonly size = 40;
  /** Schedules that came to lead, in order. */
  readonly led: KeptNumbers[] = [];
  readonly compared: KeptNumbers[] = [];
  /** Where each candidate's runs ended. */
  readonly ends: number[][] = [];

  candidate(kept: KeptNumbers): ScheduleLosses {
    this.compared.push(kept);
    const losses = new Float64Array(this.size);
    const whole = meanLoss(kept);
    const ends: number[] = [];
    this.ends.push(ends);
    let done = 0;
    const run = (end: number): void => {
      for (; done < end; done++) losses[done] = whole * (1 + 0.5 * Math.sin(done));
      ends.push(end);
    };
    return {
      losses,
      get done(): number {
        return done;
      },
      get passes(): number {
        return done;
      },
      runTo: (end) => Promise.resolve(run(end)),
      mean: () => losses.subarray(0, done).reduce((sum, loss) => sum + loss, 0) / done,
      lead: () => {
        this.led.push(kept);
      },
    };
  }
}
