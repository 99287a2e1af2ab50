/** Which states of a schedule are kept, and from which block another one continues. */
import { describe, expect, it } from 'vitest';
import { chargedFrom, firstDifference, roomFor, tokenNumbers } from '../../src/execution/leading-states.ts';
import { effectiveTokens } from '../../src/reduction/schedule.ts';
import type { EffectiveBlock, KeptNumbers } from '../../src/reduction/schedule.ts';
import { smallNetwork } from '../small-networks.ts';

describe('roomFor', () => {
  const blocks = effectiveTokens({ pruneKept: [197, 150, 100, 80], mergeKept: [197, 120, 80, 60] }, 197);
  const width = 193;
  /** Of one image before blocks 1, 2 and 3. */
  const bytes = [197, 120, 80].map((entering) => 4 * entering * width);

  it('keeps the tokens before every block but the first where they fit into 400 MB', () => {
    const images = Math.floor(400e6 / (bytes[0]! + bytes[1]! + bytes[2]!));
    expect(roomFor(blocks, images, width)).toEqual({ blocks: new Set([1, 2, 3]), images });
    expect(roomFor(blocks, images + 1, width).blocks.size).toBeLessThan(3);
  });

  it('keeps all images’ tokens before fewer blocks, evenly spread, and then fewer images’', () => {
    const two = Math.floor(400e6 / (bytes[0]! + bytes[2]!));
    expect(roomFor(blocks, two, width)).toEqual({ blocks: new Set([1, 3]), images: two });
    const one = Math.floor(400e6 / bytes[1]!);
    expect(roomFor(blocks, two + 1, width)).toEqual({ blocks: new Set([2]), images: two + 1 });
    expect(roomFor(blocks, one + 1, width)).toEqual({ blocks: new Set([2]), images: one });
  });
});

describe('tokenNumbers', () => {
  it('is the width and the size, and a number per token of the input where tokens are restored', () => {
    const network = smallNetwork({ width: 64 });
    expect(tokenNumbers(network)).toBe(65);
    expect(tokenNumbers({ ...network, restore: (state) => state })).toBe(65 + 17);
  });
});

describe('firstDifference', () => {
  it('is the first block in which what is kept differs, the last where none does', () => {
    const blocks = (kept: KeptNumbers): EffectiveBlock[] => effectiveTokens(kept, 17);
    const one = blocks({ pruneKept: [17, 15, 12], mergeKept: [17, 14, 10] });
    expect(firstDifference(one, one)).toBe(2);
    expect(firstDifference(one, blocks({ pruneKept: [20, 15, 12], mergeKept: [17, 14, 9] }))).toBe(2);
    expect(firstDifference(one, blocks({ pruneKept: [17, 16, 12], mergeKept: [17, 14, 10] }))).toBe(1);
    expect(firstDifference(one, blocks({ pruneKept: [16, 15, 12], mergeKept: [17, 14, 10] }))).toBe(0);
  });
});

describe('chargedFrom', () => {
  it('is the last block with room up to where two schedules differ', () => {
    const leader = { room: { blocks: new Set([1, 3, 5]), images: 9 } };
    expect([0, 1, 2, 3, 4, 9].map((difference) => chargedFrom(leader, difference))).toEqual([undefined, 1, 1, 3, 3, 5]);
  });
});
