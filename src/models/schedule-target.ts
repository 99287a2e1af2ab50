/** What a schedule for a network must look like, and which of its blocks may remove tokens. */

import type { ScheduleTarget } from '../reduction/validate-schedule.ts';
import { tokenCount } from './configuration.ts';
import { stageTokenCounts } from './hierarchical-configuration.ts';
import { lookUpModel, type ModelConfiguration } from './registry.ts';

/**
 * The sizes that a schedule must fit. A hierarchical network's schedule speaks of the blocks of its compressed stage only,
 * and its tokens are those of that stage.
 *
 * @param model name, hub id or folder by which the network was asked for; its registry aliases count as the same name
 */
export function scheduleTarget(configuration: ModelConfiguration, model?: string): ScheduleTarget {
  const entry = model === undefined ? undefined : lookUpModel(model);
  const aliases = entry === undefined ? [] : [entry.name, ...(entry.hubId ? [entry.hubId] : []), ...entry.aliases];
  const names = { ...(model === undefined ? {} : { model }), aliases, inputSize: configuration.inputSize };
  if (configuration.family === 'hierarchical') {
    const stage = configuration.compressedStage;
    return {
      ...names,
      depth: configuration.stages[stage]?.depth ?? 0,
      tokens: stageTokenCounts(configuration)[stage] ?? 0,
      hasClassToken: false,
      pool: 'mean',
    };
  }
  const { width, heads, hiddenWidth } = configuration;
  return {
    ...names,
    features: { width, heads, hiddenWidth },
    depth: configuration.depth,
    tokens: tokenCount(configuration),
    hasClassToken: true,
    pool: configuration.pool,
  };
}

/**
 * Which blocks a search may compress, in the authors' code: every block but the first, and but the last where the head reads
 * a mean of the patch tokens (MAE, CAFormer).
 */
export function compressibleBlocks(target: Pick<ScheduleTarget, 'depth' | 'pool'>): boolean[] {
  return Array.from(
    { length: target.depth },
    (_, block) => block > 0 && !(target.pool === 'mean' && block === target.depth - 1),
  );
}
