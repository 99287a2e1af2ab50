/** FLOPs by the paper's count as a `Cost`, in GFLOPs (10⁹ multiply-accumulates). */
import { uncompressed } from '../reduction/schedule.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { tokenCount } from '../reduction/token-layout.ts';
import { reachableRange } from './cost.ts';
import type { Cost } from './cost.ts';
import { countFlops, flopsPerGflop, flopsPrices } from './flops.ts';
import type { CountedNetwork } from './flops.ts';

/** The paper's count of a network. It is smooth, so that its price over any reach is its slope. */
export function flopsCost(network: CountedNetwork): Cost {
  const value = (kept: KeptNumbers): number => countFlops(network, kept).total / flopsPerGflop;
  const { before, after } = network.flops;
  return {
    unit: 'GFLOPs',
    baseline: value(uncompressed(network.depth, tokenCount(network.layout))),
    fixed: (before + after) / flopsPerGflop,
    value,
    price: (kept) => flopsPrices(network, kept).map((flops) => flops / flopsPerGflop),
    reachable: (space) => reachableRange(value, space),
  };
}
