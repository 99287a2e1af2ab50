import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { effectiveSchedule, effectiveTokens, type Schedule } from '../../src/reduction/schedule.ts';
import { validateSchedule, type ScheduleTarget } from '../../src/reduction/validate-schedule.ts';

const network: ScheduleTarget = {
  model: 'deit_tiny_patch16_224',
  aliases: ['timm/deit_tiny_patch16_224.fb_in1k'],
  inputSize: 224,
  depth: 3,
  tokens: 17,
  hasClassToken: true,
  pool: 'class-token',
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
    [schedule([17, 13], [15, 11]), 's.json (for deit_tiny_patch16_224) has 2 blocks in pruneKept but'],
    [schedule([17, 13, 9], [15, 11, 3], { inputSize: 384 }), 's.json is for an input of 384×384 pixels but'],
    [schedule([18, 13, 9], [15, 11, 3]), 's.json keeps 18 tokens in block 0 (pruneKept) but'],
    [schedule([17, 13.5, 9], [15, 11, 3]), 's.json keeps 13.5 tokens in block 1 (pruneKept): use a whole number'],
    [schedule([17, 13, 9], [15, 11, 0]), 's.json keeps 0 tokens in block 2 (mergeKept): use a whole number'],
    [
      schedule([17, 13, 14], [15, 11, 12]),
      's.json rises in block 2: it keeps 12 tokens where only 11 are left by then: lower pruneKept or mergeKept of block 2 to 11.',
    ],
    [schedule([17, 13, 9], [15, 11, 1]), 's.json merges 9 tokens into the class token alone in block 2'],
    [schedule([17, 1, 1], [15, 1, 1]), 's.json keeps 1 token in block 1, which leaves nothing to read after it'],
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
    expect(() => validateSchedule(last, { ...network, pool: 'mean' })).toThrow('keep at least 2 there');
    expect(validateSchedule(last, { ...network, pool: 'mean', hasClassToken: false })).toEqual([]);
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
        const blocks = effectiveTokens(candidate, network.tokens);
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
