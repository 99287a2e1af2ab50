/**
 * Which rule says which tokens of a block go. A schedule without one has the rule of the paper
 * (DiffRate, arXiv 2305.17997): the least important tokens go, by the attention of the class token.
 * The rule `dissimilarity` is diffrate's own: a token stays that is important *and* unlike every
 * token that is more important (`dissimilarity.ts`). `docs/selection.md` derives it.
 */

import * as v from 'valibot';
import { DiffrateError, quoted } from '../errors.ts';

/** Rules that a schedule may name. */
export const selectionRules = ['dissimilarity'] as const;

/** The name of a rule. */
export type SelectionRule = (typeof selectionRules)[number];

/**
 * A rule with its numbers. With the attention `a`, the size `s` and `α = a / s^perSize`, tokens
 * that merge stay in the order of `α·s·d^power`, where `d` is one minus the largest cosine to a
 * token with a larger `α`.
 */
export interface Selection {
  readonly rule: SelectionRule;
  /** Exponent of the dissimilarity `d`. */
  readonly power: number;
  /**
   * Exponent of the size by which attention is divided: a token of many patches draws attention
   * for its size alone.
   */
  readonly perSize: number;
  /** Share of the grid tokens that may go, those with the least `α`. */
  readonly candidates: number;
  /** Tokens weigh `s·α^weight` in the mean that they merge to. */
  readonly weight: number;
  /**
   * Share of its length that a token keeps when others merge into it: `(‖before‖ / ‖after‖)^norm`
   * multiplies it.
   */
  readonly norm: number;
  /**
   * Sizes add up as lengths of vectors, `Σ s · (‖Σ w·x‖ / Σ w·‖x‖)^coherence`: what differs within
   * a merged token cancels out in what it gives to others. They are at least 1. At 0 they add up
   * as numbers.
   */
  readonly coherence: number;
}

/** Least and greatest value of a rule's number, and what it is where a schedule leaves it out. */
export interface SelectionNumber {
  readonly least: number;
  readonly greatest: number;
  readonly fallback: number;
}

/** Numbers of `dissimilarity`; fallbacks never change, because files may rely on them. */
export const selectionNumbers: Readonly<Record<Exclude<keyof Selection, 'rule'>, SelectionNumber>> = {
  power: { least: 0, greatest: 8, fallback: 2 },
  perSize: { least: 0, greatest: 2, fallback: 0.5 },
  candidates: { least: 0, greatest: 1, fallback: 0.5 },
  weight: { least: 0, greatest: 2, fallback: 0.5 },
  norm: { least: 0, greatest: 1, fallback: 1 },
  coherence: { least: 0, greatest: 4, fallback: 0 },
};

/** The rule with the numbers that suit most networks: `docs/selection.md`. */
export const dissimilarity: Selection = {
  rule: 'dissimilarity',
  power: selectionNumbers.power.fallback,
  perSize: selectionNumbers.perSize.fallback,
  candidates: selectionNumbers.candidates.fallback,
  weight: selectionNumbers.weight.fallback,
  norm: selectionNumbers.norm.fallback,
  coherence: selectionNumbers.coherence.fallback,
};

const numberOf = (name: keyof typeof selectionNumbers) => {
  const { least, greatest, fallback } = selectionNumbers[name];
  const inRange = v.pipe(
    v.number(),
    v.minValue(least, `at least ${least}`),
    v.maxValue(greatest, `at most ${greatest}`),
  );
  return v.optional(inRange, fallback);
};

const schema = v.looseObject({
  rule: v.picklist(selectionRules),
  power: numberOf('power'),
  perSize: numberOf('perSize'),
  candidates: numberOf('candidates'),
  weight: numberOf('weight'),
  norm: numberOf('norm'),
  coherence: numberOf('coherence'),
});

/**
 * Reads the member `selection` of a schedule.
 * @param source file or name of the schedule, for the error sentence.
 * @throws {DiffrateError} for a rule or a number that is not known, or a number out of range.
 */
export function parseSelection(value: unknown, source: string): Selection {
  const rule = typeof value === 'object' && value !== null && 'rule' in value ? value.rule : undefined;
  if (typeof rule === 'string' && !selectionRules.some((known) => known === rule)) {
    throw new DiffrateError(
      `${source} selects tokens by the rule ${quoted(rule)}, which this version does not know ` +
        `(it knows ${selectionRules.join(', ')}): use a newer version of diffrate, or another schedule.`,
    );
  }
  const result = v.safeParse(schema, value);
  if (!result.success) {
    const [issue] = result.issues;
    const path = v.getDotPath(issue);
    const expected = issue.kind === 'validation' ? issue.message : (issue.expected ?? 'something else');
    const found = issue.input === undefined ? 'is missing' : `must be ${expected} but is ${quoted(issue.input)}`;
    throw new DiffrateError(
      `${source} is not a schedule: "selection${path === null ? '' : `.${path}`}" ${found}; ` +
        `leave "selection" out for the rule of the paper, or write {"rule": "${selectionRules[0]}"}.`,
    );
  }
  const { rule: known, power, perSize, candidates, weight, norm, coherence, ...others } = result.output;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new DiffrateError(
      `${source} has ${quoted(unknown)} in "selection", which this version does not know: ` +
        'use a newer version of diffrate, or leave it out.',
    );
  }
  return { rule: known, power, perSize, candidates, weight, norm, coherence };
}

/** A rule and its numbers in words: `dissimilarity (power 2, …)`. */
export function formatSelection({ rule, ...numbers }: Selection): string {
  return `${rule} (${Object.entries(numbers)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')})`;
}

/**
 * How many of a block's grid tokens are candidates where `removed` of them go: the rule's share,
 * and at least all that go and one more, where there is one.
 */
export function candidateCount({ candidates }: Selection, gridTokens: number, removed: number): number {
  return Math.min(gridTokens, Math.max(removed + 1, Math.ceil(candidates * gridTokens)));
}
