/** FLOPs by the paper's count as a `Cost`, for either family of networks. */

import type { ModelConfiguration } from '../models/registry.ts';
import { compressibleBlocks, scheduleTarget } from '../models/schedule-target.ts';
import { uncompressed, type KeptNumbers } from '../reduction/schedule.ts';
import { countHierarchicalFlops, hierarchicalFlopsGradient } from './caformer-flops.ts';
import { reachableRange, type Cost } from './cost.ts';
import { countFlops, flopsGradient, type FlopsCount, type KeptNumbersGradient } from './flops.ts';

const flopsPerGflop = 1e9;

/** The paper's count of any network that the registry knows; see `countFlops` and `countHierarchicalFlops`. */
export function countModelFlops(configuration: ModelConfiguration, kept: KeptNumbers): FlopsCount {
  return configuration.family === 'hierarchical'
    ? countHierarchicalFlops(configuration, kept)
    : countFlops(configuration, kept);
}

function modelFlopsGradient(configuration: ModelConfiguration, kept: KeptNumbers): KeptNumbersGradient {
  return configuration.family === 'hierarchical'
    ? hierarchicalFlopsGradient(configuration, kept)
    : flopsGradient(configuration, kept);
}

/** What a search may do to the network, for the reachable range. */
export interface FlopsCostOptions {
  /** Whether each block may remove tokens; default `compressibleBlocks`, the authors' rule. */
  readonly compressible?: readonly boolean[];
  /** Least tokens that a block may keep, class token counted; default 2. */
  readonly minimumKept?: number;
}

/** FLOPs by the paper's count, in GFLOPs (10⁹ multiply-accumulates). */
export function flopsCost(configuration: ModelConfiguration, options: FlopsCostOptions = {}): Cost {
  const target = scheduleTarget(configuration);
  const value = (kept: KeptNumbers): number => countModelFlops(configuration, kept).total / flopsPerGflop;
  const compressible = options.compressible ?? compressibleBlocks(target);
  return {
    unit: 'GFLOPs',
    baseline: value(uncompressed(target.depth, target.tokens)),
    range: reachableRange(value, compressible, target.tokens, options.minimumKept ?? 2),
    value,
    gradient: (kept) => {
      const { prune, merge } = modelFlopsGradient(configuration, kept);
      return { prune: prune.map((flops) => flops / flopsPerGflop), merge: merge.map((flops) => flops / flopsPerGflop) };
    },
  };
}
