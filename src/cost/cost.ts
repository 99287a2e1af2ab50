/**
 * What a search spends: a function of the kept numbers, in a unit of its own. FLOPs are one cost
 * (`flops-cost.ts`); a latency table or a model of an accelerator is another, behind the same
 * interface. It need not be smooth, and need not fall with every single token.
 */
import { DiffrateError } from '../errors.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { greatestKept, leastKept } from '../reduction/search-space.ts';
import type { SearchSpace } from '../reduction/search-space.ts';

/**
 * A cost of one image's forward pass as a function of the kept numbers, one pair per block of the
 * span, possibly fractional.
 */
export interface Cost {
  /** `GFLOPs` (10⁹ multiply-accumulates), `ms`, `mJ`, …; it is written behind every value. */
  readonly unit: string;
  /** Cost of the uncompressed network. */
  readonly baseline: number;
  /** The part of it that no schedule changes. */
  readonly fixed: number;
  /** Cost with these kept numbers, in `unit`. */
  value(kept: KeptNumbers): number;
  /**
   * The price of a token: what one more costs in each block, in `unit` per token, after pruning or
   * after merging, whichever leaves fewer.
   * @param reach how many tokens to either side the price is a mean over: a staircase has no other
   *   slope.
   */
  price(kept: KeptNumbers, reach: number): readonly number[];
  /** Least and greatest value that a search can spend. */
  reachable(space: SearchSpace): CostRange;
}

/** Least and greatest value, in the cost's unit. */
export interface CostRange {
  readonly min: number;
  readonly max: number;
}

/** The range between the schedules that keep the least and the most. */
export function reachableRange(value: (kept: KeptNumbers) => number, space: SearchSpace): CostRange {
  return { min: value(leastKept(space)), max: value(greatestKept(space)) };
}

/**
 * Prices of a cost that does not know its slope: differences over the reach, with the numbers of
 * one block moved at a time. Later blocks keep what they kept, as long as they still get as many.
 */
export function priceByDifference(
  value: (kept: KeptNumbers) => number,
  kept: KeptNumbers,
  reach: number,
  bounds: { readonly smallest: number; readonly tokens: number },
): number[] {
  const step = Math.max(1, Math.round(reach));
  const moved = (block: number, by: number): { readonly at: number; readonly cost: number } => {
    const own = Math.min(kept.pruneKept[block] ?? 0, kept.mergeKept[block] ?? 0);
    const at = Math.min(bounds.tokens, Math.max(bounds.smallest, own + by));
    const put = (numbers: readonly number[]): number[] =>
      numbers.map((number, index) =>
        index === block ? (by > 0 ? Math.max(at, number) : Math.min(at, number)) : number,
      );
    const changed = { pruneKept: put(kept.pruneKept), mergeKept: put(kept.mergeKept).with(block, at) };
    return { at, cost: value(changed) };
  };
  return kept.mergeKept.map((_, block) => {
    const [more, less] = [moved(block, step), moved(block, -step)];
    return more.at === less.at ? 0 : (more.cost - less.cost) / (more.at - less.at);
  });
}

/**
 * A cost of somebody's own, which may be wrong somewhere in its range.
 * @returns the same cost, which throws a {@link DiffrateError} where it gives no finite number.
 */
export function checkedCost(cost: Cost): Cost {
  const { unit } = cost;
  const shown = ({ pruneKept, mergeKept }: KeptNumbers): string =>
    `pruneKept [${pruneKept.join(', ')}] and mergeKept [${mergeKept.join(', ')}]`;
  const finite = (number: number, kept: KeptNumbers, what: string): number => {
    if (Number.isFinite(number)) return number;
    throw new DiffrateError(
      `The ${what} in ${unit} is ${number} for ${shown(kept)}: it must be a finite number for every schedule.`,
    );
  };
  return {
    unit,
    baseline: cost.baseline,
    fixed: cost.fixed,
    value: (kept) => finite(cost.value(kept), kept, 'cost'),
    price: (kept, reach) => cost.price(kept, reach).map((number) => finite(number, kept, 'price of a token')),
    reachable: (space) => cost.reachable(space),
  };
}

/** A target of a search: a cost with its unit, or a share of the uncompressed network's. */
export type CostTarget = { readonly value: number; readonly unit: string } | { readonly ratio: number };

/** A value of a cost in words: `0.8 GFLOPs`. */
export function formatCost(value: number, unit: string, digits = 4): string {
  return `${Number(value.toPrecision(digits))} ${unit}`;
}

/**
 * The target as a value of the cost.
 * @param network its name, for error sentences.
 * @throws {DiffrateError} where it has another unit, or is out of reach (with what is reachable).
 */
export function targetValue(target: CostTarget, cost: Cost, space: SearchSpace, network: string): number {
  const { unit, baseline } = cost;
  if ('unit' in target && target.unit !== unit) {
    throw new DiffrateError(
      `The target is ${formatCost(target.value, target.unit)} but the cost of this search is in ${unit}: give the target in ${unit}.`,
    );
  }
  const value = 'unit' in target ? target.value : Number((target.ratio * baseline).toPrecision(6));
  const { min, max } = cost.reachable(space);
  if (![baseline, min, max].every(Number.isFinite)) {
    throw new DiffrateError(
      `The cost in ${unit} gives ${baseline} for ${network} uncompressed, and from ${min} to ${max} for its schedules: it must give finite numbers.`,
    );
  }
  if (value >= min && value < max) return value;
  const digits = decimalsFor(baseline);
  // Bounds are rounded into the range, so that a user can ask for what the sentence names.
  const rounded = (bound: number, round: (value: number) => number): string =>
    (round(bound * 10 ** digits) / 10 ** digits).toFixed(digits);
  throw new DiffrateError(
    `A cost of ${formatCost(value, unit, 6)} is out of reach for ${network} (${baseline.toFixed(digits)} ${unit} uncompressed); ` +
      `choose a target from ${rounded(min, Math.ceil)} to below ${rounded(max, Math.floor)} ${unit}.`,
  );
}

/**
 * Digits after the point: `least`, or as many as a small value needs to show that many digits other
 * than leading noughts.
 */
export function decimalsFor(value: number, least = 3): number {
  const size = Math.floor(Math.log10(Math.abs(value)));
  return Number.isFinite(size) ? Math.min(20, Math.max(least, least - 1 - size)) : least;
}

/**
 * GFLOPs without their unit: `0.117`, of a small network `0.000117`.
 * @param beside a greater value that stands next to it, which then has as many digits.
 */
export function formatGflops(value: number, beside = value): string {
  return value.toFixed(decimalsFor(Math.max(value, beside)));
}
