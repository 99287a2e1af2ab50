/**
 * What a search minimises besides the loss: a function of the kept numbers with a gradient. FLOPs are one
 * (`flops-cost.ts`); a latency table or a model of an accelerator is another behind the same interface.
 */

import type { KeptNumbers } from '../reduction/schedule.ts';
import type { KeptNumbersGradient } from './flops.ts';

/** A cost of one image's forward pass as a function of the kept numbers, one pair per block, possibly fractional. */
export interface Cost {
  /** `GFLOPs` are 10⁹ multiply-accumulates by the paper's count. */
  readonly unit: 'GFLOPs' | 'ms' | 'mJ';
  /** Cost of the uncompressed network. */
  readonly baseline: number;
  /** Least and greatest cost that a search can reach. */
  readonly range: CostRange;
  /** Cost with these kept numbers, in `unit`. */
  value(kept: KeptNumbers): number;
  /** Derivative by every P and K, in `unit` per token; straight-through to both of a block's numbers. */
  gradient(kept: KeptNumbers): KeptNumbersGradient;
}

/** Least and greatest reachable value, in the cost's unit. */
export interface CostRange {
  readonly min: number;
  readonly max: number;
}

/**
 * The costs within reach when only some blocks may remove tokens and each must keep at least so many.
 *
 * @param value the cost of kept numbers; must not fall when a kept number rises
 * @param compressible whether each block may remove tokens
 * @param tokens N of the first block, class token counted
 * @param minimumKept least tokens that a block may keep, class token counted
 */
export function reachableRange(
  value: (kept: KeptNumbers) => number,
  compressible: readonly boolean[],
  tokens: number,
  minimumKept: number,
): CostRange {
  const least = compressible.map((mayRemove) => (mayRemove ? Math.min(minimumKept, tokens) : tokens));
  const all = compressible.map(() => tokens);
  return {
    min: value({ pruneKept: least, mergeKept: least }),
    max: value({ pruneKept: all, mergeKept: all }),
  };
}
