import * as fc from 'fast-check';
import { mergeRules } from '../../src/reduction/merge-rule.ts';
import { dissimilarity, selectionNumbers } from '../../src/reduction/selection.ts';
import type { Selection } from '../../src/reduction/selection.ts';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import {
  effectiveSchedule,
  effectiveTokens,
  parseSchedule,
  serializeSchedule,
  type Schedule,
} from '../../src/reduction/schedule.ts';

const keptLists = fc
  .integer({ min: 1, max: 24 })
  .chain((depth) =>
    fc.tuple(
      fc.array(fc.integer({ min: 1, max: 260 }), { minLength: depth, maxLength: depth }),
      fc.array(fc.integer({ min: 1, max: 260 }), { minLength: depth, maxLength: depth }),
    ),
  );

const numberOf = (name: keyof typeof selectionNumbers): fc.Arbitrary<number> => {
  const { least, greatest, fallback } = selectionNumbers[name];
  const any = fc.double({ min: least, max: greatest, noNaN: true }).map((value) => value + 0);
  return fc.oneof(fc.constantFrom(least, fallback, greatest), any);
};

const selections: fc.Arbitrary<Selection> = fc.record({
  rule: fc.constant('dissimilarity' as const),
  power: numberOf('power'),
  perSize: numberOf('perSize'),
  candidates: numberOf('candidates'),
  weight: numberOf('weight'),
  norm: numberOf('norm'),
  coherence: numberOf('coherence'),
});

const schedules: fc.Arbitrary<Schedule> = fc
  .tuple(
    keptLists,
    fc.string({ minLength: 1 }),
    fc.integer({ min: 1, max: 2048 }),
    fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }).map((value) => value + 0)),
    fc.oneof(fc.constant(null), fc.string(), fc.integer()),
    fc.string(),
    fc.oneof(
      fc.constantFrom({}, ...mergeRules.map((merging) => ({ merging }))),
      selections.map((selection) => ({ merging: 'patches' as const, selection })),
    ),
  )
  .map(([[pruneKept, mergeKept], model, inputSize, gflops, target, createdBy, rules]) => ({
    model,
    inputSize,
    pruneKept,
    mergeKept,
    ...rules,
    gflops,
    target,
    createdBy,
  }));

function plain(pruneKept: unknown, mergeKept: unknown, more: object = {}): string {
  return JSON.stringify({ model: 'deit_tiny_patch16_224', inputSize: 224, pruneKept, mergeKept, ...more });
}

describe('parseSchedule', () => {
  it('reads back what serializeSchedule writes', () => {
    fc.assert(
      fc.property(schedules, (schedule) => {
        expect(parseSchedule(serializeSchedule(schedule), 's.json')).toEqual(schedule);
      }),
    );
  });

  it('reads a hand-written schedule without cost, target and author', () => {
    expect(parseSchedule(plain([17, 13], [17, 9]), 's.json')).toEqual({
      model: 'deit_tiny_patch16_224',
      inputSize: 224,
      pruneKept: [17, 13],
      mergeKept: [17, 9],
      gflops: null,
      target: null,
      createdBy: '',
    });
  });

  it('writes one member per line', () => {
    expect(serializeSchedule(parseSchedule(plain([17, 13], [17, 9], { gflops: 0.5, target: '12ms' }), 's.json')))
      .toMatchInlineSnapshot(`
      "{
        "model": "deit_tiny_patch16_224",
        "inputSize": 224,
        "pruneKept": [17, 13],
        "mergeKept": [17, 9],
        "gflops": 0.5,
        "target": "12ms",
        "createdBy": ""
      }
      "
    `);
  });

  it.each([
    ['{"model": ', /^s\.json is not a schedule: it is not valid JSON/],
    ['[1, 2]', /^s\.json is not a schedule: "model" is missing/],
    ['3', /^s\.json is not a schedule: its content must be Object but is 3/],
    [plain([17, 1.5], [17, 9]), /"pruneKept\.1" must be a whole number but is 1\.5/],
    [plain([17, 13], [17, 0]), /"mergeKept\.1" must be at least 1 but is 0/],
    [plain([17, 13], [17, '9']), /"mergeKept\.1" must be number but is "9"/],
    [plain([], []), /"pruneKept" must be at least one block/],
    [plain(undefined, [3]), /"pruneKept" is missing/],
    [plain([17, 13], [17]), /pruneKept has 2 blocks but mergeKept has 1/],
    ['{"model":"m","inputSize":224,"pruneKept":[1e999],"mergeKept":[1]}', /"pruneKept\.0" must be/],
  ])('rejects %s with one sentence', (text, sentence) => {
    expect(() => parseSchedule(text, 's.json')).toThrow(sentence);
    expect(() => parseSchedule(text, 's.json')).toThrow(DiffrateError);
  });

  const selecting = (selection: unknown, merging?: string): string =>
    plain([17, 13], [17, 9], { selection, ...(merging === undefined ? {} : { merging }) });

  it('gives the numbers of a selection that a file leaves out', () => {
    expect(parseSchedule(selecting({ rule: 'dissimilarity' }, 'patches'), 's.json').selection).toEqual(dissimilarity);
    expect(parseSchedule(selecting({ rule: 'dissimilarity', norm: 0.5 }, 'patches'), 's.json').selection).toEqual({
      ...dissimilarity,
      norm: 0.5,
    });
  });

  it.each([
    [
      selecting({ rule: 'likeness', of: 3 }, 'patches'),
      /^s\.json selects tokens by the rule "likeness", which this version does not know .* use a newer version/,
    ],
    [selecting({}, 'patches'), /"selection\.rule" is missing; leave "selection" out for the rule of the paper/],
    [selecting({ rule: 3 }, 'patches'), /"selection\.rule" must be "dissimilarity" but is 3; leave "selection" out/],
    [selecting('dissimilarity', 'patches'), /"selection" must be Object but is "dissimilarity"; leave/],
    [selecting(null, 'patches'), /"selection" must be Object but is null; leave/],
    [selecting([], 'patches'), /"selection\.rule" is missing; leave/],
    [
      selecting({ rule: 'dissimilarity', heads: 1 }, 'patches'),
      /^s\.json has "heads" in "selection", which this version/,
    ],
    [selecting({ rule: 'dissimilarity', power: 9 }, 'patches'), /"selection\.power" must be at most 8 but is 9; leave/],
    [
      selecting({ rule: 'dissimilarity', norm: -1 }, 'patches'),
      /"selection\.norm" must be at least 0 but is -1; leave/,
    ],
    [
      selecting({ rule: 'dissimilarity', weight: '1' }, 'patches'),
      /"selection\.weight" must be number but is "1"; leave/,
    ],
    [selecting({ rule: 'dissimilarity', perSize: null }, 'patches'), /"selection\.perSize" must be number but is null/],
    [selecting({ rule: 'dissimilarity' }), /selects tokens by dissimilarity but merges by similarity: write "merging"/],
    [selecting({ rule: 'dissimilarity' }, 'count'), /selects tokens by dissimilarity but merges by count: write/],
  ])('rejects the selection in %s with one sentence', (text, sentence) => {
    expect(() => parseSchedule(text, 's.json')).toThrow(sentence);
    expect(() => parseSchedule(text, 's.json')).toThrow(DiffrateError);
  });

  it('throws nothing but DiffrateError, whatever the text', () => {
    const nearSchedules = fc.record(
      {
        model: fc.oneof(fc.string(), fc.jsonValue()),
        inputSize: fc.oneof(fc.integer(), fc.jsonValue()),
        pruneKept: fc.oneof(fc.array(fc.oneof(fc.integer(), fc.double())), fc.jsonValue()),
        mergeKept: fc.oneof(fc.array(fc.integer()), fc.jsonValue()),
        gflops: fc.oneof(fc.double(), fc.jsonValue()),
        target: fc.jsonValue(),
        merging: fc.oneof(fc.constantFrom<string>(...mergeRules), fc.jsonValue()),
        selection: fc.oneof(
          fc.record({ rule: fc.oneof(fc.constant('dissimilarity'), fc.jsonValue()), power: fc.jsonValue() }),
          fc.jsonValue(),
        ),
      },
      { requiredKeys: [] },
    );
    const texts = fc.oneof(
      fc.string(),
      fc.json(),
      nearSchedules.map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          parseSchedule(text, 's.json');
        } catch (error) {
          expect(error).toBeInstanceOf(DiffrateError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('effectiveTokens', () => {
  it('takes the least of N, P and K, and hands it to the next block', () => {
    expect(effectiveTokens({ pruneKept: [17, 13, 14, 9], mergeKept: [16, 15, 10, 12] }, 17)).toEqual([
      { tokensIn: 17, pruneKept: 17, mergeKept: 16, tokensOut: 16 },
      { tokensIn: 16, pruneKept: 13, mergeKept: 13, tokensOut: 13 },
      { tokensIn: 13, pruneKept: 13, mergeKept: 10, tokensOut: 10 },
      { tokensIn: 10, pruneKept: 9, mergeKept: 9, tokensOut: 9 },
    ]);
  });

  it('never lets a block see more tokens than the one before', () => {
    fc.assert(
      fc.property(keptLists, fc.integer({ min: 1, max: 260 }), ([pruneKept, mergeKept], tokens) => {
        let live = tokens;
        for (const [block, seen] of effectiveTokens({ pruneKept, mergeKept }, tokens).entries()) {
          expect(seen.tokensIn).toBe(live);
          expect(seen.pruneKept).toBeLessThanOrEqual(seen.tokensIn);
          expect(seen.mergeKept).toBeLessThanOrEqual(seen.pruneKept);
          expect(seen.tokensOut).toBe(Math.min(live, pruneKept[block] ?? 0, mergeKept[block] ?? 0));
          live = seen.tokensOut;
        }
      }),
    );
  });

  it('rejects lists of different lengths', () => {
    expect(() => effectiveTokens({ pruneKept: [3], mergeKept: [3, 3] }, 5)).toThrow(DiffrateError);
  });
});

describe('effectiveSchedule', () => {
  it('keeps what every block does and is its own effective form', () => {
    fc.assert(
      fc.property(schedules, fc.integer({ min: 0, max: 100 }), (schedule, spare) => {
        const lowered = effectiveSchedule(schedule);
        const tokens = Math.max(schedule.pruneKept[0] ?? 0, schedule.mergeKept[0] ?? 0) + spare;
        expect(effectiveTokens(lowered, tokens)).toEqual(effectiveTokens(schedule, tokens));
        expect(effectiveSchedule(lowered)).toEqual(lowered);
      }),
    );
  });
});
