/**
 * Whether a schedule fits a network. Sizes must match; the name need not: a schedule learnt for DeiT-T is a good one for
 * ViT-Ti, which has the same depth and the same tokens, so another name is only worth a warning.
 */

import { DiffrateError } from '../errors.ts';
import { effectiveTokens, type EffectiveBlock, type Schedule } from './schedule.ts';

/** What a schedule must fit. */
export interface ScheduleTarget {
  /** Registry name or hub id; without it the schedule's model name is not compared. */
  readonly model?: string;
  /** Other names of the same network. */
  readonly aliases?: readonly string[];
  /** Input side in pixels. */
  readonly inputSize: number;
  /** Number of blocks that a schedule speaks of. */
  readonly depth: number;
  /** Tokens that enter the first of them, class token counted. */
  readonly tokens: number;
  /** Whether token 0 is a class token: always kept, never a destination of merging. */
  readonly hasClassToken: boolean;
  /** What the head reads: the class token, or the mean of the patch tokens. */
  readonly pool: 'class-token' | 'mean';
  /** Sizes of a Vision Transformer's features; methods with trained parts have parameters of these sizes. */
  readonly features?: FeatureSizes;
}

/** Sizes of what flows through the blocks. */
export interface FeatureSizes {
  /** Embedding width C. */
  readonly width: number;
  readonly heads: number;
  /** Hidden width of the MLP. */
  readonly hiddenWidth: number;
}

/** How strict to be, and what to call the schedule in a sentence. */
export interface ScheduleValidationOptions {
  /** File or name of the schedule, for the error sentence; default "The schedule". */
  readonly source?: string;
  /**
   * Accept kept numbers that rise from one block to the next (they remove nothing there). Some of the authors' published
   * schedules do (MAE ViT-H, DeiT-T at 1.0 G); in a file it is a mistake. Default false.
   */
  readonly allowRising?: boolean;
}

/** Kept tokens below which the network would have nothing left to read. */
function minimumTokens(target: ScheduleTarget, block: number): number {
  if (!target.hasClassToken) return 1;
  const classTokenSuffices = target.pool === 'class-token' && block === target.depth - 1;
  return classTokenSuffices ? 1 : 2;
}

function checkSizes(schedule: Schedule, target: ScheduleTarget, source: string, network: string): void {
  for (const list of ['pruneKept', 'mergeKept'] as const) {
    const blocks = schedule[list].length;
    if (blocks !== target.depth) {
      throw new DiffrateError(
        `${source} (for ${schedule.model}) has ${blocks} blocks in ${list} but ${network} has ${target.depth}: ` +
          `use a schedule that was learnt for ${network}.`,
      );
    }
  }
  if (schedule.inputSize !== target.inputSize) {
    throw new DiffrateError(
      `${source} is for an input of ${schedule.inputSize}×${schedule.inputSize} pixels but ${network} takes ` +
        `${target.inputSize}×${target.inputSize}: use a schedule that was learnt at ${target.inputSize}.`,
    );
  }
}

function checkKeptNumbers(schedule: Schedule, target: ScheduleTarget, source: string, network: string): void {
  for (const list of ['pruneKept', 'mergeKept'] as const) {
    for (const [block, kept] of schedule[list].entries()) {
      if (!Number.isSafeInteger(kept) || kept < 1) {
        throw new DiffrateError(
          `${source} keeps ${kept} tokens in block ${block} (${list}): use a whole number of at least 1.`,
        );
      }
      if (kept > target.tokens) {
        throw new DiffrateError(
          `${source} keeps ${kept} tokens in block ${block} (${list}) but ${network} has only ${target.tokens}: ` +
            `lower it to ${target.tokens}, or use a schedule that was learnt for ${network}.`,
        );
      }
    }
  }
}

function checkBlock(
  effective: EffectiveBlock,
  block: number,
  schedule: Schedule,
  target: ScheduleTarget,
  source: string,
  allowRising: boolean,
): void {
  const asked = Math.min(schedule.pruneKept[block] ?? 1, schedule.mergeKept[block] ?? 1);
  if (!allowRising && asked > effective.tokensIn) {
    throw new DiffrateError(
      `${source} rises in block ${block}: it keeps ${asked} tokens where only ${effective.tokensIn} are left by then: ` +
        `lower pruneKept or mergeKept of block ${block} to ${effective.tokensIn}.`,
    );
  }
  if (target.hasClassToken && effective.mergeKept === 1 && effective.pruneKept > 1) {
    throw new DiffrateError(
      `${source} merges ${effective.pruneKept} tokens into the class token alone in block ${block} (mergeKept 1), ` +
        'which is never merged into: set mergeKept to at least 2, or pruneKept to 1.',
    );
  }
  const minimum = minimumTokens(target, block);
  if (effective.tokensOut < minimum) {
    throw new DiffrateError(
      `${source} keeps ${effective.tokensOut} token in block ${block}, which leaves nothing to read after it: ` +
        `keep at least ${minimum} there.`,
    );
  }
}

function warnings(schedule: Schedule, target: ScheduleTarget, source: string): string[] {
  if (target.model === undefined) return [];
  const names = [target.model, ...(target.aliases ?? [])].map((name) => name.toLowerCase());
  if (names.includes(schedule.model.toLowerCase())) return [];
  return [
    `${source} was learnt for ${schedule.model} and is used for ${target.model}: the sizes match, the accuracy may not.`,
  ];
}

/**
 * Checks that a schedule fits a network and loses nothing that it needs.
 *
 * Errors: another number of blocks or another input size; a kept number that is no whole number ≥ 1 or is above the
 * network's tokens; kept numbers min(P, K) that rise above the live number (unless `allowRising`); merging into the class
 * token alone; fewer tokens than the head or the next block needs (the class token alone is enough in the last block of a
 * network that reads it).
 *
 * @returns warnings, one sentence each: at present, that the schedule was learnt for a network of another name
 * @throws DiffrateError
 */
export function validateSchedule(
  schedule: Schedule,
  target: ScheduleTarget,
  options: ScheduleValidationOptions = {},
): string[] {
  const source = options.source ?? 'The schedule';
  const network = target.model ?? 'the network';
  checkSizes(schedule, target, source, network);
  checkKeptNumbers(schedule, target, source, network);
  for (const [block, effective] of effectiveTokens(schedule, target.tokens).entries()) {
    checkBlock(effective, block, schedule, target, source, options.allowRising ?? false);
  }
  return warnings(schedule, target, source);
}
