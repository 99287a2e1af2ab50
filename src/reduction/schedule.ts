/**
 * A schedule: how many tokens every block keeps after pruning and after merging (DiffRate, arXiv
 * 2305.17997, section 3.1). It is the product of a search and a small JSON file:
 * `{model, inputSize, pruneKept, mergeKept, merging, selection, gflops, target, createdBy}`. Kept
 * numbers count the class token where the network has one, so an untouched ViT at 224/16 keeps 197.
 */

import * as v from 'valibot';
import { DiffrateError, messageOf, quoted } from '../errors.ts';
import { mergeRules } from './merge-rule.ts';
import type { MergeRule } from './merge-rule.ts';
import { parseSelection } from './selection.ts';
import type { Selection } from './selection.ts';

/**
 * Kept token numbers per block; both lists are as long as the network has compressible blocks. May
 * be fractional in a search.
 */
export interface KeptNumbers {
  /** P: tokens kept by pruning, per block. */
  readonly pruneKept: readonly number[];
  /** K: tokens kept by merging (destinations), per block. */
  readonly mergeKept: readonly number[];
  /** How the tokens that go merge, where that is not as published. */
  readonly merging?: MergeRule | undefined;
  /** Which tokens go, where that is not by class attention alone, as published. */
  readonly selection?: Selection | undefined;
}

/** Which tokens go and how they merge, the same in all blocks. */
export type ReductionRules = Pick<KeptNumbers, 'merging' | 'selection'>;

/** A cost other than FLOPs. */
export interface ScheduleCost {
  readonly unit: string;
  readonly value: number;
  readonly target: number;
  /** Where it was measured. */
  readonly device?: string | undefined;
}

/** Kept numbers, the network that they were learnt for, and their cost. */
export interface Schedule extends KeptNumbers {
  /** Registry name (or hub id) of the network that the schedule was learnt for. */
  readonly model: string;
  /** Input in pixels: the side of a square, or height and width. */
  readonly inputSize: number | readonly [height: number, width: number];
  /**
   * Another cost that it was learnt under: the schedule's value and the one that was asked for, in
   * the cost's unit.
   */
  readonly cost?: ScheduleCost | undefined;
  /**
   * Cost of the compressed network by the paper's count, in 10⁹ multiply-accumulates; `null` if the
   * author did not say.
   */
  readonly gflops: number | null;
  /**
   * What was asked for: a number in GFLOPs, or text with its unit (`"12ms"`); `null` if the author
   * did not say.
   */
  readonly target: number | string | null;
  /** Program or paper that the schedule comes from. */
  readonly createdBy: string;
}

/** What one block really does under a schedule: `tokensIn ≥ pruneKept ≥ mergeKept = tokensOut`. */
export interface EffectiveBlock {
  /** N: tokens that enter the block. */
  readonly tokensIn: number;
  /** min(N, P): tokens left after pruning; equal to `tokensIn` where nothing is pruned. */
  readonly pruneKept: number;
  /** min(N, P, K): tokens left after merging; equal to `pruneKept` where nothing is merged. */
  readonly mergeKept: number;
  /** N' = min(N, P, K): tokens that the block's MLP and the next block see. */
  readonly tokensOut: number;
}

const keptNumber = v.pipe(v.number(), v.safeInteger('a whole number'), v.minValue(1, 'at least 1'));
const keptNumbers = v.pipe(v.array(keptNumber), v.minLength(1, 'at least one block'));

const side = v.pipe(v.number(), v.safeInteger('a whole number'), v.minValue(1, 'at least 1'));

const finite = v.pipe(v.number(), v.finite('finite'));

const scheduleSchema = v.object({
  model: v.pipe(v.string(), v.nonEmpty('a name')),
  inputSize: v.union([side, v.strictTuple([side, side])]),
  pruneKept: keptNumbers,
  mergeKept: keptNumbers,
  merging: v.optional(v.picklist(mergeRules)),
  selection: v.optional(v.unknown()),
  cost: v.optional(v.object({ unit: v.string(), value: finite, target: finite, device: v.optional(v.string()) })),
  gflops: v.optional(v.nullable(v.pipe(v.number(), v.finite('finite'), v.minValue(0, 'at least 0'))), null),
  target: v.optional(v.nullable(v.union([v.pipe(v.number(), v.finite('finite')), v.string()])), null),
  createdBy: v.optional(v.string(), ''),
});

function sentenceOf(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  const where = path === null ? 'its content' : `"${path}"`;
  if (issue.received === 'undefined') return `${where} is missing`;
  const expected = issue.kind === 'validation' ? issue.message : (issue.expected ?? 'something else');
  return `${where} must be ${expected} but is ${quoted(issue.input)}`;
}

/**
 * Reads a schedule from the text of a JSON file. Unknown members are ignored. `merging`,
 * `selection`, `gflops`, `target` and `createdBy` may be absent, so that a schedule can be written
 * by hand.
 * `validateSchedule` checks whether it fits a network.
 *
 * @param json text of the file
 * @param source file or name that the error sentence mentions
 * @throws DiffrateError if the text is not JSON or not a schedule
 */
export function parseSchedule(json: string, source: string): Schedule {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new DiffrateError(
      `${source} is not a schedule: it is not valid JSON (${messageOf(error)}); write one with \`searchSchedule\`.`,
    );
  }
  const result = v.safeParse(scheduleSchema, value);
  if (!result.success) {
    throw new DiffrateError(
      `${source} is not a schedule: ${sentenceOf(result.issues[0])}; ` +
        'it needs model, inputSize, pruneKept and mergeKept, as `searchSchedule` gives them.',
    );
  }
  const { selection: rule, ...others } = result.output;
  const selection = rule === undefined ? undefined : parseSelection(rule, source);
  const schedule = { ...others, ...(selection === undefined ? {} : { selection }) };
  if (selection !== undefined && schedule.merging !== 'patches') {
    throw new DiffrateError(
      `${source} selects tokens by ${selection.rule} but merges by ${schedule.merging ?? 'similarity'}: ` +
        'write "merging": "patches", the only way of merging that the rule has.',
    );
  }
  if (schedule.pruneKept.length !== schedule.mergeKept.length) {
    throw new DiffrateError(
      `${source} is not a schedule: pruneKept has ${schedule.pruneKept.length} blocks but mergeKept has ` +
        `${schedule.mergeKept.length}; give both one number per block.`,
    );
  }
  return schedule;
}

/**
 * The text of a schedule file: one member per line, kept numbers on one line each. `parseSchedule`
 * reads it back unchanged.
 */
export function serializeSchedule(schedule: Schedule): string {
  const members = {
    model: schedule.model,
    inputSize: schedule.inputSize,
    pruneKept: schedule.pruneKept,
    mergeKept: schedule.mergeKept,
    ...(schedule.merging === undefined ? {} : { merging: schedule.merging }),
    ...(schedule.selection === undefined ? {} : { selection: schedule.selection }),
    ...(schedule.cost === undefined ? {} : { cost: schedule.cost }),
    gflops: schedule.gflops,
    target: schedule.target,
    createdBy: schedule.createdBy,
  };
  const lines = Object.entries(members).map(([key, value]) => {
    const text = Array.isArray(value) ? `[${value.join(', ')}]` : JSON.stringify(value);
    return `  ${JSON.stringify(key)}: ${text}`;
  });
  return `{\n${lines.join(',\n')}\n}\n`;
}

/** Kept numbers that remove nothing: N in every block. */
export function uncompressed(depth: number, tokens: number): KeptNumbers {
  const all = Array<number>(depth).fill(tokens);
  return { pruneKept: all, mergeKept: all };
}

/**
 * The token numbers that every block really sees: N' = min(N, P, K) and N ← N' after each block, as
 * the authors' code counts. A P or K above the live number removes nothing. Fractional kept numbers
 * are allowed.
 *
 * @param tokens N of the first block (prefix tokens counted)
 * @param depth blocks that there must be numbers for, where that is known
 * @throws DiffrateError if the two lists differ in length, or from `depth`
 */
export function effectiveTokens(kept: KeptNumbers, tokens: number, depth?: number): EffectiveBlock[] {
  if (kept.pruneKept.length !== kept.mergeKept.length) {
    throw new DiffrateError(
      `The kept numbers are for ${kept.pruneKept.length} blocks of pruning but ${kept.mergeKept.length} of merging; ` +
        'give both one number per block.',
    );
  }
  if (depth !== undefined && kept.pruneKept.length !== depth) {
    throw new DiffrateError(
      `The kept numbers are for ${kept.pruneKept.length} blocks but the network has ${depth} whose tokens may go; ` +
        'use a schedule that was learnt for it.',
    );
  }
  let tokensIn = tokens;
  return kept.pruneKept.map((prune, block) => {
    const pruneKept = Math.min(tokensIn, prune);
    const mergeKept = Math.min(pruneKept, kept.mergeKept[block] ?? pruneKept);
    const effective = { tokensIn, pruneKept, mergeKept, tokensOut: mergeKept };
    tokensIn = mergeKept;
    return effective;
  });
}

/**
 * The same schedule with every kept number lowered to what it really keeps, so that no block's
 * numbers rise above the live number. It compresses exactly as before; files are written in this
 * form.
 *
 * @param tokens N of the first block; without it the larger of the first block's two numbers, which
 *   changes nothing
 */
export function effectiveSchedule<S extends Schedule>(schedule: S, tokens?: number): S {
  const first = Math.max(schedule.pruneKept[0] ?? 1, schedule.mergeKept[0] ?? 1);
  const blocks = effectiveTokens(schedule, tokens ?? first);
  return {
    ...schedule,
    pruneKept: blocks.map((block) => block.pruneKept),
    mergeKept: blocks.map((block) => block.mergeKept),
  };
}
