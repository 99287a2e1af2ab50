/** Why tokens went by a rule of selection: read from its choice, and drawn as discs. */
import { describe, expect, it } from 'vitest';
import type { RgbImage } from '../../src/data/pillow-resize.ts';
import { square } from '../../src/data/preprocessing.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import { countTokens, mergeReasons, pruned } from '../../src/report/token-groups.ts';
import { tokenPicture } from '../../src/report/token-picture.ts';
import { TokenTracer } from '../../src/report/token-trace.ts';
import { smallNetwork } from '../evaluation/small-network.ts';
import { randomValues } from '../random-network.ts';

const layout = { prefix: 1, grid: [1, 4] } as const;

describe('reasons', () => {
  /** Tokens: class, patches 0 and 3, patch 1, patch 2. */
  const source = Float32Array.from([1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
  const attention = Float32Array.from([100, 0.5, 0.1, 0.2]);

  it('tell tokens that attention alone would have sent from those that are alike', () => {
    const none = Array.from({ length: 4 }, () => undefined);
    expect(mergeReasons(none, { source, attention, gone: [2] }, layout)).toEqual([
      undefined,
      'attention',
      undefined,
      undefined,
    ]);
    expect(mergeReasons(none, { source, attention, gone: [1, 2] }, layout)).toEqual([
      'alike',
      'attention',
      undefined,
      'alike',
    ]);
  });

  it('replace those of earlier blocks, and leave the others', () => {
    const before = ['attention', 'alike', 'alike', 'attention'] as const;
    expect(mergeReasons(before, { source, attention, gone: [1] }, layout)).toEqual([
      'alike',
      'alike',
      'alike',
      'alike',
    ]);
  });

  it('are counted of patches that are still in a token', () => {
    const groups = { owners: Int32Array.from([1, 1, pruned, 2]), sizes: Int32Array.from([0, 2, 1]) };
    expect(countTokens({ ...groups, reasons: ['alike', undefined, 'alike', undefined] }).alikePatches).toBe(1);
    expect(countTokens(groups)).not.toHaveProperty('alikePatches');
  });
});

describe('a picture', () => {
  it('has a light disc for likeness, a dark one for little attention, and none where others went', () => {
    const image: RgbImage = { data: new Uint8Array(64 * 64 * 3).fill(90), width: 64, height: 64, channels: 3 };
    const groups = { owners: Int32Array.from([1, 1, 1, 2]), sizes: Int32Array.from([0, 3, 1]) };
    const patches = { grid: [2, 2], patch: square(32) } as const;
    const picture = tokenPicture(image, patches, { ...groups, reasons: ['alike', 'attention', undefined, 'alike'] });
    const middle = (row: number, column: number): number => {
      const [y, x] = [Math.round(((row + 0.5) * picture.height) / 2), Math.round(((column + 0.5) * picture.width) / 2)];
      return picture.data[(y * picture.width + x) * 3] ?? NaN;
    };
    expect([middle(0, 0), middle(0, 1), middle(1, 0), middle(1, 1)]).toEqual([255, 0, 90, 90]);
  });
});

describe('a traced network', () => {
  const model = smallNetwork();
  const kept = { pruneKept: [17, 15, 12, 12], mergeKept: [17, 12, 12, 6] };
  const pixels = randomValues(3 * 32 * 32, 7);

  it('says why tokens went where a rule chose them, and nothing where none did', async () => {
    const rules = { selection: dissimilarity, merging: 'patches' } as const;
    const tracer = await TokenTracer.load(model, diffRate({ ...kept, ...rules }, model.network), { threads: 1 });
    const blocks = await tracer.trace(pixels);
    await tracer.dispose();
    const went = blocks.map(({ reasons = [] }) => reasons.filter((reason) => reason !== undefined).length);
    // 3 merge in the second block and 6 tokens in the fourth, which stand for 6 patches or more.
    expect(went.slice(0, 3)).toEqual([0, 3, 3]);
    expect(went[3]).toBeGreaterThanOrEqual(6);
    for (const { owners, sizes, reasons = [] } of blocks) {
      for (const [patch, reason] of reasons.entries()) {
        if (reason !== undefined) expect(sizes[owners[patch] ?? -1]).toBeGreaterThan(1);
      }
      // Of each merged token one patch at least has stayed what it was.
      for (const [token, size] of sizes.entries()) {
        const without = reasons.filter((reason, patch) => owners[patch] === token && reason === undefined);
        if (size > 1) expect(without.length).toBeGreaterThanOrEqual(1);
      }
    }
    const plain = await TokenTracer.load(model, diffRate(kept, model.network), { threads: 1 });
    for (const { reasons } of await plain.trace(pixels)) expect(reasons).toBeUndefined();
    await plain.dispose();
  });
});
