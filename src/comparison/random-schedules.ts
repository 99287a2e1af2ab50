/**
 * Random monotone schedules at a budget (Fig. 4 of DiffRate, arXiv 2305.17997), drawn exactly
 * uniformly from a set:
 * - every sequence of tokens after each block that never rises, on a grid that is coarse in the
 *   first blocks (so that many schedules share them) and of single tokens in the last;
 * - times, for every block, that none, half or all of what goes is pruned and the rest merged;
 * - as far as its FLOPs by the paper's count are within 1 % below the budget.
 *
 * Uniform over a set that large is drawn by counting. A table says how many completions each live
 * number has at each remaining cost, and blocks are drawn one after the other in proportion to
 * them. The table rounds costs, so a draw whose exact cost misses the range is drawn anew, which
 * keeps it uniform.
 */
import { countFlops, flopsPerGflop } from '../cost/flops.ts';
import { RandomGenerator } from '../data/random.ts';
import { DiffrateError } from '../errors.ts';
import { attentionFlops, mlpFlops } from '../networks/network-flops.ts';
import type { BlockFlops } from '../networks/network-flops.ts';
import type { NetworkDescription } from '../networks/network.ts';
import { compressibleBlocks } from '../reduction/network-shape.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { smallestKept, tokenCount } from '../reduction/token-layout.ts';

/** What to draw. */
export interface RandomScheduleOptions {
  readonly count: number;
  /** Most GFLOPs by the paper's count. */
  readonly gflops: number;
  readonly seed: number;
}

/** How far below the budget a schedule may lie. */
export const budgetTolerance = 0.01;

/** Steps of the table per budget. */
const costSteps = 1000;
/** Draws per schedule before the set is taken to be empty. */
const mostDraws = 10_000;
/** Shares of what goes that is pruned; of a network that needs every token again none is. */
const prunedShares = { any: [0, 0.5, 1], mergeOnly: [0] } as const;

/**
 * Draws schedules.
 * @throws {DiffrateError} where no monotone schedule has that cost.
 */
export function randomSchedules(
  network: NetworkDescription,
  { count, gflops, seed }: RandomScheduleOptions,
): KeptNumbers[] {
  const budget = gflops * flopsPerGflop;
  const table = new CompletionTable(network, budget);
  const random = new RandomGenerator(seed).fork('random schedules');
  return Array.from({ length: count }, () => {
    for (let draw = 0; draw < mostDraws; draw++) {
      const kept = table.draw(random);
      if (kept === undefined) break;
      const { total } = countFlops(network, kept);
      if (total <= budget && total >= budget * (1 - budgetTolerance)) return kept;
    }
    throw new DiffrateError(
      `There is no random schedule of ${Number(gflops.toPrecision(4))} GFLOPs for this network: choose a budget that its blocks can reach.`,
    );
  });
}

/** Ways to go on, by block, live tokens and cost that is still to be spent. */
class CompletionTable {
  readonly #tokens: number;
  readonly #grids: readonly (readonly number[])[];
  readonly #step: number;
  readonly #shares: readonly number[];
  readonly #cost: (block: number, tokensIn: number, tokensOut: number) => number;
  /**
   * Per block: by tokens that enter it, the number of ways that its and all later blocks' costs add
   * up to each cost.
   */
  readonly #ways: Map<number, Float64Array>[];
  /** Costs that the sum over blocks may have, in steps, and how often each occurs. */
  readonly #totals: readonly { readonly cost: number; readonly ways: number }[];

  constructor(network: NetworkDescription, budget: number) {
    const { layout, depth, flops, mergeOnly } = network;
    this.#tokens = tokenCount(layout);
    this.#shares = mergeOnly ? prunedShares.mergeOnly : prunedShares.any;
    const forBlocks = budget - flops.before - flops.after;
    this.#step = budget / costSteps;
    this.#cost = (block, tokensIn, tokensOut) => {
      const own = flops.blocks[block] as BlockFlops;
      return Math.round((attentionFlops(own, tokensIn) + mlpFlops(own, tokensOut)) / this.#step);
    };
    // Prefix tokens must be left, and one that others can be merged into.
    const fewest = smallestKept(layout);
    this.#grids = compressibleBlocks(network).map((mayRemove, block) =>
      mayRemove ? gridOf(this.#tokens, fewest, block, depth) : [],
    );
    // Each block's cost is rounded by half a step at most.
    const slack = depth / 2 + 1;
    const most = Math.floor(forBlocks / this.#step + slack);
    this.#ways = this.#count(depth, Math.max(0, most));
    const least = Math.max(0, Math.ceil((forBlocks - budget * budgetTolerance) / this.#step - slack));
    const entered = this.#ways[0]?.get(this.#tokens) ?? new Float64Array(0);
    this.#totals = Array.from(entered, (ways, cost) => ({ cost, ways })).slice(least, Math.max(0, most + 1));
  }

  /** One schedule, each with the same probability; `undefined` where there is none. */
  draw(random: RandomGenerator): KeptNumbers | undefined {
    const total = choose(random, this.#totals, ({ ways }) => ways);
    if (total === undefined) return undefined;
    let [tokens, left] = [this.#tokens, total.cost];
    const [pruneKept, mergeKept]: [number[], number[]] = [[], []];
    for (let block = 0; block < this.#grids.length; block++) {
      const options = this.#tokensAfter(block, tokens).map((tokensOut) => ({
        tokensOut,
        ways: this.#prunings(tokens, tokensOut).length * this.#waysAfter(block, tokens, tokensOut, left),
      }));
      const chosen = choose(random, options, ({ ways }) => ways);
      if (chosen === undefined) return undefined;
      const kept = this.#prunings(tokens, chosen.tokensOut);
      pruneKept.push(kept[random.integer(kept.length)] ?? tokens);
      mergeKept.push(chosen.tokensOut);
      left -= this.#cost(block, tokens, chosen.tokensOut);
      tokens = chosen.tokensOut;
    }
    return { pruneKept, mergeKept };
  }

  #waysAfter(block: number, tokens: number, tokensOut: number, left: number): number {
    const rest = left - this.#cost(block, tokens, tokensOut);
    if (block === this.#grids.length - 1) return rest === 0 ? 1 : 0;
    return this.#ways[block + 1]?.get(tokensOut)?.[rest] ?? 0;
  }

  /** Numbers that a block may leave of those that enter it; to leave all is one of them. */
  #tokensAfter(block: number, tokensIn: number): readonly number[] {
    return [tokensIn, ...(this.#grids[block] ?? []).filter((tokens) => tokens < tokensIn)];
  }

  /** Different numbers of tokens that may be left after pruning. */
  #prunings(tokensIn: number, tokensOut: number): number[] {
    return [...new Set(this.#shares.map((share) => tokensIn - Math.round(share * (tokensIn - tokensOut))))];
  }

  #count(depth: number, most: number): Map<number, Float64Array>[] {
    const entering: number[][] = [[this.#tokens]];
    for (let block = 0; block < depth - 1; block++) {
      const after = new Set((entering[block] ?? []).flatMap((tokens) => this.#tokensAfter(block, tokens)));
      entering.push([...after]);
    }
    const ways: Map<number, Float64Array>[] = [];
    for (let block = depth - 1; block >= 0; block--) {
      const own = new Map<number, Float64Array>();
      for (const tokens of entering[block] ?? []) {
        const counts = new Float64Array(most + 1);
        for (const tokensOut of this.#tokensAfter(block, tokens)) {
          const choices = this.#prunings(tokens, tokensOut).length;
          const cost = this.#cost(block, tokens, tokensOut);
          const rest = ways[0]?.get(tokensOut);
          if (rest === undefined) {
            if (cost <= most) counts[cost] = (counts[cost] ?? 0) + choices;
            continue;
          }
          for (let left = 0; left + cost <= most; left++) {
            counts[left + cost] = (counts[left + cost] ?? 0) + choices * (rest[left] ?? 0);
          }
        }
        own.set(tokens, counts);
      }
      ways.unshift(own);
    }
    return ways;
  }
}

/**
 * Tokens on the grid of a block, from the most: 12 to 24 steps in the first third of the blocks,
 * twice as many in each later one, all in the last block.
 */
function gridOf(tokens: number, fewest: number, block: number, depth: number): number[] {
  const coarsest = 2 ** Math.floor(Math.log2(Math.max(1, tokens / 12)));
  const step = block === depth - 1 ? 1 : Math.max(1, coarsest / 2 ** Math.floor((3 * block) / depth));
  const grid: number[] = [];
  for (let left = tokens - step; left >= fewest; left -= step) grid.push(left);
  return grid;
}

/** One of a list, in proportion to weights; `undefined` where all are 0. */
function choose<Item>(
  random: RandomGenerator,
  items: readonly Item[],
  weight: (item: Item) => number,
): Item | undefined {
  const total = items.reduce((sum, item) => sum + weight(item), 0);
  if (!(total > 0)) return undefined;
  let left = random.uniform(0, total);
  const possible = items.filter((item) => weight(item) > 0);
  for (const item of possible) {
    left -= weight(item);
    if (left < 0) return item;
  }
  return possible.at(-1);
}
