/**
 * How long choosing and merging takes in one block of a network on a device: a network of which
 * every block removes a single token runs in turns with one that removes none.
 */
import { settledOverhead } from '../cost/block-overhead.ts';
import { flopsPerGflop } from '../cost/flops.ts';
import { countGraphFlops } from '../cost/graph-flops.ts';
import { NetworkSession } from '../execution/network-session.ts';
import { namedShape } from '../networks/model.ts';
import type { Model } from '../networks/model.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import type { KeptNumbers, ReductionRules } from '../reduction/schedule.ts';
import { greatestKept, searchSpace } from '../reduction/search-space.ts';
import { smallestKept, tokenCount } from '../reduction/token-layout.ts';
import type { Runtime, SessionOptions } from '../runtime/runtime.ts';
import { timeAlternately } from './alternate.ts';
import { randomPixels } from './throughput.ts';

/** How to measure. */
export interface OverheadOptions extends SessionOptions {
  readonly runtime: Runtime;
  readonly rules: ReductionRules;
  /** Images per run, default 1. */
  readonly batch?: number | undefined;
}

const timing = { rounds: 9, warmUp: 3 };

/** What a block's choosing and merging takes. */
export interface BlockOverhead {
  /** As the FLOPs for which the network takes as long, in GFLOPs. */
  readonly gflops: number;
  /** Its share of the time of the network that removes nothing. */
  readonly share: number;
}

/**
 * Measures a network.
 * @throws {DiffrateError} where the device cannot run it.
 */
export async function measureBlockOverhead(model: Model, options: OverheadOptions): Promise<BlockOverhead> {
  const { rules, batch = 1, ...session } = options;
  const { network } = model;
  const space = searchSpace(namedShape(network, model.name));
  const whole = greatestKept(space);
  const least = smallestKept(space.layout);
  const inTurn = space.searched.slice(0, Math.max(0, tokenCount(space.layout) - least));
  const mergeKept = whole.mergeKept.map((kept, block) =>
    Math.min(kept, tokenCount(space.layout) - inTurn.filter((searched) => searched <= block).length),
  );
  const oneEach: KeptNumbers = { ...rules, pruneKept: whole.pruneKept, mergeKept };
  const schedules: readonly KeptNumbers[] = [{ ...rules, ...whole }, oneEach];
  const sessions: NetworkSession[] = [];
  try {
    for (const kept of schedules) {
      sessions.push(await NetworkSession.load(model, { ...session, batch, reducer: diffRate(kept, network) }));
    }
    const pixels = randomPixels(network, batch, 0);
    const [plain, removing] = await timeAlternately(
      sessions.map((each) => () => each.run(pixels)),
      timing,
    );
    const [before, after] = [plain?.milliseconds ?? 0, removing?.milliseconds ?? 0];
    const [flops = 0, fewerFlops = 0] = schedules.map((kept) => countGraphFlops(network, diffRate(kept, network)));
    // What is left of the time where FLOPs are taken off, those of the matching among them.
    const beyondFlops = before > 0 ? after / before - fewerFlops / flops : 0;
    const share = inTurn.length > 0 ? Math.max(0, beyondFlops) / inTurn.length : 0;
    return { share, gflops: (share * flops) / flopsPerGflop };
  } finally {
    await Promise.all(sessions.map((each) => each.dispose()));
  }
}

/** The overhead that a search is given, in GFLOPs. */
export async function overheadOf(model: Model, options: OverheadOptions): Promise<number> {
  const { share, gflops } = await measureBlockOverhead(model, options);
  return settledOverhead(share, gflops);
}
