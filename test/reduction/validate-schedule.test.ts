import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import type { NetworkShape } from '../../src/reduction/network-shape.ts';
import { effectiveSchedule, effectiveTokens } from '../../src/reduction/schedule.ts';
import type { Schedule } from '../../src/reduction/schedule.ts';
import {
  formatInput,
  inputOf,
  inputSizeOf,
  sameInput,
  validateSchedule,
} from '../../src/reduction/validate-schedule.ts';

const network: NetworkShape = {
  model: 'deit_tiny_patch16_224',
  aliases: ['timm/deit_tiny_patch16_224.fb_in1k'],
  input: { height: 224, width: 224 },
  layout: { prefix: 1, grid: [4, 4] },
  depth: 3,
  importanceFrom: 'class-token',
  reads: 'prefix',
  mergeOnly: false,
};

/** A class token and four registers before an oblong grid. */
const registers: NetworkShape = {
  ...network,
  input: { height: 112, width: 448 },
  layout: { prefix: 5, grid: [2, 8] },
};

function schedule(pruneKept: number[], mergeKept: number[], more: Partial<Schedule> = {}): Schedule {
  const rest = { model: 'deit_tiny_patch16_224', inputSize: 224, gflops: null, target: null, createdBy: '' };
  return { ...rest, pruneKept, mergeKept, ...more };
}

describe('validateSchedule', () => {
  it('accepts a falling schedule without a warning', () => {
    expect(validateSchedule(schedule([17, 13, 9], [15, 11, 3]), network)).toEqual([]);
  });

  it('knows the network by its other names', () => {
    const other = schedule([17, 13, 9], [15, 11, 3], { model: 'timm/DeiT_tiny_patch16_224.fb_in1k' });
    expect(validateSchedule(other, network)).toEqual([]);
  });

  it('warns of a schedule for a network of the same sizes and another name', () => {
    const other = schedule([17, 13, 9], [15, 11, 3], { model: 'vit_tiny_patch16_224' });
    expect(validateSchedule(other, network, { source: 's.json' })).toEqual([
      's.json was learnt for vit_tiny_patch16_224 and is used for deit_tiny_patch16_224: the sizes match, the accuracy may not.',
    ]);
  });

  it.each([
    [
      schedule([17, 13], [15, 11]),
      's.json (for deit_tiny_patch16_224) has 2 blocks in pruneKept but deit_tiny_patch16_224 has 3: use a schedule that was learnt for deit_tiny_patch16_224.',
    ],
    [
      schedule([17, 13, 9], [15, 11, 3], { inputSize: 384 }),
      's.json is for an input of 384×384 pixels but deit_tiny_patch16_224 takes 224×224: use a schedule that was learnt at 224.',
    ],
    [schedule([17, 13, 9], [15, 11, 3], { inputSize: [224, 384] }), 's.json is for an input of 224×384 pixels but'],
    [schedule([18, 13, 9], [15, 11, 3]), 's.json keeps 18 tokens in block 0 (pruneKept) but'],
    [schedule([17, 13.5, 9], [15, 11, 3]), 's.json keeps 13.5 tokens in block 1 (pruneKept): use a whole number'],
    [schedule([17, 13, 9], [15, 11, 0]), 's.json keeps 0 tokens in block 2 (mergeKept): use a whole number'],
    [
      schedule([17, 13, 14], [15, 11, 12]),
      's.json rises in block 2: it keeps 12 tokens where only 11 are left by then: lower pruneKept or mergeKept of block 2 to 11.',
    ],
    [
      schedule([17, 13, 9], [15, 11, 1]),
      's.json merges 9 tokens into the class token alone in block 2 (mergeKept 1), which is never merged into: set mergeKept to at least 2, or pruneKept to 1.',
    ],
    [
      schedule([17, 1, 1], [15, 1, 1]),
      's.json keeps 1 token in block 1, which leaves nothing to read after it: keep at least 2 there.',
    ],
  ])('rejects %j', (bad, sentence) => {
    expect(() => validateSchedule(bad, network, { source: 's.json' })).toThrow(sentence);
    expect(() => validateSchedule(bad, network)).toThrow(DiffrateError);
  });

  it('accepts a P or K above the live number as long as the lesser of them is not', () => {
    expect(validateSchedule(schedule([17, 17, 14], [15, 11, 9]), network)).toEqual([]);
    expect(validateSchedule(schedule([17, 12, 9], [13, 16, 10]), network)).toEqual([]);
  });

  it('accepts rising numbers only where told to', () => {
    expect(validateSchedule(schedule([17, 13, 14], [15, 11, 13]), network, { allowRising: true })).toEqual([]);
  });

  it('lets the class token alone leave the last block only where the head reads it', () => {
    const last = schedule([17, 13, 1], [15, 11, 1]);
    expect(validateSchedule(last, network)).toEqual([]);
    expect(() => validateSchedule(last, { ...network, reads: 'every-token' })).toThrow('keep at least 2 there');
    const mean: NetworkShape = { ...network, reads: 'every-token', layout: { prefix: 0, grid: [1, 17] } };
    expect(validateSchedule(last, mean)).toEqual([]);
    expect(validateSchedule(schedule([17, 13, 9], [15, 11, 1]), mean)).toEqual([]);
  });

  describe('of a network with several prefix tokens and an oblong input', () => {
    const own = (pruneKept: number[], mergeKept: number[]): Schedule =>
      schedule(pruneKept, mergeKept, { inputSize: [112, 448] });

    it('accepts what keeps the prefix and a patch, and the prefix alone where nothing else is read', () => {
      expect(validateSchedule(own([21, 12, 9], [20, 11, 6]), registers)).toEqual([]);
      expect(validateSchedule(own([21, 12, 5], [20, 11, 5]), registers)).toEqual([]);
    });

    it.each([
      [
        schedule([21, 12, 9], [20, 11, 6]),
        's.json is for an input of 224×224 pixels but deit_tiny_patch16_224 takes 112×448: use a schedule that was learnt at 112×448.',
      ],
      [
        own([22, 12, 9], [20, 11, 6]),
        's.json keeps 22 tokens in block 0 (pruneKept) but deit_tiny_patch16_224 has only 21: lower it to 21, or use a schedule that was learnt for deit_tiny_patch16_224.',
      ],
      [
        own([21, 12, 9], [20, 11, 5]),
        's.json merges 9 tokens into the 5 prefix tokens alone in block 2 (mergeKept 5), which are never merged into: set mergeKept to at least 6, or pruneKept to 5.',
      ],
      [
        own([21, 12, 4], [20, 11, 4]),
        's.json keeps 4 tokens in block 2, fewer than the 5 prefix tokens, which always stay: keep at least 5 there.',
      ],
      [
        own([21, 12, 9], [20, 1, 1]),
        's.json keeps 1 token in block 1, fewer than the 5 prefix tokens, which always stay: keep at least 6 there.',
      ],
      [
        own([21, 5, 5], [20, 5, 5]),
        's.json keeps 5 tokens in block 1, which leaves nothing to read after it: keep at least 6 there.',
      ],
    ])('rejects %j', (bad, sentence) => {
      expect(() => validateSchedule(bad, registers, { source: 's.json' })).toThrow(DiffrateError);
      expect(() => validateSchedule(bad, registers, { source: 's.json' })).toThrow(sentence);
    });
  });

  it('lets a network that needs every token again merge, but not prune', () => {
    const restoring: NetworkShape = { ...network, mergeOnly: true };
    expect(validateSchedule(schedule([17, 15, 11], [15, 11, 3]), restoring)).toEqual([]);
    expect(validateSchedule(schedule([17, 17, 17], [15, 11, 3]), restoring)).toEqual([]);
    expect(() => validateSchedule(schedule([17, 15, 9], [15, 11, 3]), restoring, { source: 's.json' })).toThrow(
      's.json prunes in block 2, but deit_tiny_patch16_224 restores its tokens after block 2, so they may be merged but not pruned: set pruneKept of block 2 to 11.',
    );
    expect(() => validateSchedule(schedule([17, 15, 11], [15, 11, 1]), restoring)).toThrow(
      /which is never merged into: set mergeKept to at least 2\.$/,
    );
  });

  it('reads sizes of inputs as a side, or as height and width', () => {
    const oblong = { height: 112, width: 448 };
    expect(inputOf(224)).toEqual({ height: 224, width: 224 });
    expect(inputOf([112, 448])).toEqual(oblong);
    expect([inputSizeOf(oblong), inputSizeOf(inputOf(224))]).toEqual([[112, 448], 224]);
    expect([sameInput([112, 448], oblong), sameInput([448, 112], oblong), sameInput(112, oblong)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(sameInput([224, 224], inputOf(224))).toBe(true);
    expect(formatInput(oblong)).toBe('112×448');
  });

  it('accepts what effectiveSchedule makes of any acceptable schedule, and passes nothing that would fail later', () => {
    const kept = fc.array(fc.integer({ min: -1, max: 19 }), { minLength: 2, maxLength: 4 });
    fc.assert(
      fc.property(kept, kept, fc.boolean(), (pruneKept, mergeKept, allowRising) => {
        const candidate = schedule(pruneKept, mergeKept);
        try {
          validateSchedule(candidate, network, { allowRising });
        } catch (error) {
          expect(error).toBeInstanceOf(DiffrateError);
          return;
        }
        expect(validateSchedule(effectiveSchedule(candidate), network)).toEqual([]);
        const blocks = effectiveTokens(candidate, 17);
        expect(blocks).toHaveLength(3);
        for (const [index, block] of blocks.entries()) {
          expect(block.tokensOut).toBeGreaterThanOrEqual(index === 2 ? 1 : 2);
          if (block.pruneKept > block.mergeKept) expect(block.mergeKept).toBeGreaterThanOrEqual(2);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
