/**
 * Whether a schedule fits a network.
 * Sizes must match. The name need not: a schedule learnt for DeiT-T is a good one for ViT-Ti,
 * which has the same depth and the same tokens.
 * So another name is only worth a warning.
 */
import { DiffrateError, shortened } from '../errors.ts';
import { nameOf, tokensOf } from './network-shape.ts';
import type { NetworkShape } from './network-shape.ts';
import { effectiveTokens } from './schedule.ts';
import type { EffectiveBlock, Schedule } from './schedule.ts';
import { smallestKept } from './token-layout.ts';

/** How strict to be, and what to call the schedule in a sentence. */
export interface ScheduleValidationOptions {
  /** File or name of the schedule, for the error sentence; default "The schedule". */
  readonly source?: string | undefined;
  /**
   * Accept kept numbers that rise from one block to the next: they remove nothing there. Some of
   * the authors' published schedules do (MAE ViT-H, DeiT-T at 1.0 G). In a file it is a mistake.
   * Default false.
   */
  readonly allowRising?: boolean | undefined;
}

/** Input in pixels: the side of a square, or height and width. */
export type InputSize = number | readonly [height: number, width: number];

/** The input of a network of this size. */
export function inputOf(size: InputSize): NetworkShape['input'] {
  return typeof size === 'number' ? { height: size, width: size } : { height: size[0], width: size[1] };
}

/** The size of an input, a number where it is a square. */
export function inputSizeOf({ height, width }: NetworkShape['input']): InputSize {
  return height === width ? height : [height, width];
}

/** Whether a size is that of an input. */
export function sameInput(size: InputSize, { height, width }: NetworkShape['input']): boolean {
  const own = inputOf(size);
  return own.height === height && own.width === width;
}

/** `224×224`, height first. */
export function formatInput({ height, width }: NetworkShape['input']): string {
  return `${height}×${width}`;
}

/** What the checks look at. */
interface Check {
  readonly schedule: Schedule;
  readonly shape: NetworkShape;
  /** What to call the schedule, and the network. */
  readonly source: string;
  readonly network: string;
  readonly allowRising: boolean;
}

/**
 * Kept tokens below which the network would have nothing left to read:
 * prefix tokens are enough where they alone are read.
 */
function minimumTokens({ shape }: Check, block: number): number {
  const { layout, reads, depth } = shape;
  const prefixSuffices = layout.prefix > 0 && reads === 'prefix' && block === depth - 1;
  return prefixSuffices ? layout.prefix : smallestKept(layout);
}

function prefixName({ layout, importanceFrom }: NetworkShape): string {
  if (layout.prefix > 1) return `${layout.prefix} prefix tokens`;
  return importanceFrom === 'class-token' ? 'class token' : 'prefix token';
}

function checkSizes({ schedule, shape, source, network }: Check): void {
  for (const list of ['pruneKept', 'mergeKept'] as const) {
    const blocks = schedule[list].length;
    if (blocks !== shape.depth) {
      throw new DiffrateError(
        `${source} (for ${shortened(schedule.model)}) has ${blocks} blocks in ${list} but ${network} has ${shape.depth}: ` +
          `use a schedule that was learnt for ${network}.`,
      );
    }
  }
  const { input } = shape;
  if (!sameInput(schedule.inputSize, input)) {
    const { height, width } = input;
    const wanted = height === width ? String(height) : formatInput(input);
    throw new DiffrateError(
      `${source} is for an input of ${formatInput(inputOf(schedule.inputSize))} pixels but ${network} takes ` +
        `${formatInput(input)}: use a schedule that was learnt at ${wanted}.`,
    );
  }
}

function checkKeptNumbers({ schedule, shape, source, network }: Check): void {
  const tokens = tokensOf(shape);
  for (const list of ['pruneKept', 'mergeKept'] as const) {
    for (const [block, kept] of schedule[list].entries()) {
      if (!Number.isSafeInteger(kept) || kept < 1) {
        throw new DiffrateError(
          `${source} keeps ${kept} tokens in block ${block} (${list}): use a whole number of at least 1.`,
        );
      }
      if (kept > tokens) {
        throw new DiffrateError(
          `${source} keeps ${kept} tokens in block ${block} (${list}) but ${network} has only ${tokens}: ` +
            `lower it to ${tokens}, or use a schedule that was learnt for ${network}.`,
        );
      }
    }
  }
}

function checkRising({ schedule, source, allowRising }: Check, { tokensIn }: EffectiveBlock, block: number): void {
  const asked = Math.min(schedule.pruneKept[block] ?? 1, schedule.mergeKept[block] ?? 1);
  if (!allowRising && asked > tokensIn) {
    throw new DiffrateError(
      `${source} rises in block ${block}: it keeps ${asked} tokens where only ${tokensIn} are left by then: ` +
        `lower pruneKept or mergeKept of block ${block} to ${tokensIn}.`,
    );
  }
}

function checkPruning({ shape, source, network }: Check, effective: EffectiveBlock, block: number): void {
  const { tokensIn, pruneKept } = effective;
  if (shape.mergeOnly && pruneKept < tokensIn) {
    throw new DiffrateError(
      `${source} prunes in block ${block}, but ${network} restores its tokens after block ${shape.depth - 1}, ` +
        `so they may be merged but not pruned: set pruneKept of block ${block} to ${tokensIn}.`,
    );
  }
}

function checkTokensLeft(check: Check, effective: EffectiveBlock, block: number): void {
  const { shape, source } = check;
  const { prefix } = shape.layout;
  const { pruneKept, mergeKept, tokensOut } = effective;
  const keeps = `${source} keeps ${tokensOut} token${tokensOut === 1 ? '' : 's'} in block ${block}`;
  const minimum = minimumTokens(check, block);
  if (tokensOut < prefix) {
    throw new DiffrateError(
      `${keeps}, fewer than the ${prefixName(shape)}, which always stay: keep at least ${minimum} there.`,
    );
  }
  if (mergeKept === prefix && pruneKept > prefix) {
    const merges = `${source} merges ${pruneKept} tokens into the ${prefixName(shape)} alone in block ${block}`;
    const never = `which ${prefix === 1 ? 'is' : 'are'} never merged into`;
    const alternative = shape.mergeOnly ? '' : `, or pruneKept to ${prefix}`;
    throw new DiffrateError(
      `${merges} (mergeKept ${prefix}), ${never}: ` +
        `set mergeKept to at least ${smallestKept(shape.layout)}${alternative}.`,
    );
  }
  if (tokensOut < minimum) {
    throw new DiffrateError(`${keeps}, which leaves nothing to read after it: keep at least ${minimum} there.`);
  }
}

function warnings({ schedule, shape, source }: Check): string[] {
  if (shape.model === undefined) return [];
  const names = [shape.model, ...(shape.aliases ?? [])].map((name) => name.toLowerCase());
  if (names.includes(schedule.model.toLowerCase())) return [];
  return [
    `${source} was learnt for ${shortened(schedule.model)} and is used for ${shape.model}: the sizes match, the accuracy may not.`,
  ];
}

/**
 * Checks that a schedule fits a network and loses nothing that it needs.
 *
 * Errors:
 * - another number of blocks, or another input;
 * - a kept number that is no whole number ≥ 1 or is above the network's tokens;
 * - kept numbers min(P, K) that rise above the live number (unless `allowRising`);
 * - pruning where every token is needed again;
 * - fewer tokens than the prefix, or merging into the prefix alone;
 * - fewer tokens than the head or the next block needs.
 *   The prefix is enough in the last block of a network that reads nothing else.
 *
 * @returns warnings, one sentence each: at present, that the schedule was learnt for a network of
 *   another name
 * @throws DiffrateError
 */
export function validateSchedule(
  schedule: Schedule,
  shape: NetworkShape,
  options: ScheduleValidationOptions = {},
): string[] {
  const { source = 'The schedule', allowRising = false } = options;
  const check: Check = { schedule, shape, source, network: nameOf(shape), allowRising };
  checkSizes(check);
  checkKeptNumbers(check);
  for (const [block, effective] of effectiveTokens(schedule, tokensOf(shape)).entries()) {
    checkRising(check, effective, block);
    checkPruning(check, effective, block);
    checkTokensLeft(check, effective, block);
  }
  return warnings(check);
}
