/** Token groups and their pictures against plain computations on cases small enough to see. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RgbImage } from '../../src/data/pillow-resize.ts';
import { square } from '../../src/data/preprocessing.ts';
import type { TokenLayout } from '../../src/reduction/token-layout.ts';
import { countTokens, pruned, tokenGroups } from '../../src/report/token-groups.ts';
import {
  borderColour,
  borderWidth,
  enlarge,
  hatching,
  pictureScale,
  tokenPicture,
} from '../../src/report/token-picture.ts';

/**
 * A source map `[N, N0]` from lists of the patches (from 0) in each token; prefix tokens come
 * first.
 */
function sourceMap(tokens: readonly (readonly number[])[], patches: number, prefix = 1): Float32Array {
  const columns = prefix + patches;
  const source = new Float32Array((prefix + tokens.length) * columns);
  for (let token = 0; token < prefix; token++) source[token * columns + token] = 1;
  for (const [token, members] of tokens.entries()) {
    for (const patch of members) source[(prefix + token) * columns + prefix + patch] = 1;
  }
  return source;
}

/** A row of patches behind some prefix tokens. */
const rowOf = (patches: number, prefix = 1): TokenLayout => ({ prefix, grid: [1, patches] });

/** An image whose every pixel differs. */
function gradientImage(height: number, width = height): RgbImage {
  const data = Uint8Array.from({ length: height * width * 3 }, (_, index) => (index * 7 + 3) % 251);
  return { data, width, height, channels: 3 };
}

const pixel = ({ data, width }: RgbImage, x: number, y: number): number[] => [
  ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];

const prefixes = fc.integer({ min: 0, max: 5 });

describe('token groups', () => {
  it('are read from a source map, the class token left out', () => {
    const groups = tokenGroups(sourceMap([[2], [0, 5], [1, 3, 4]], 8), rowOf(8));
    expect([...groups.owners]).toEqual([2, 3, 1, 3, 3, 2, pruned, pruned]);
    expect([...groups.sizes]).toEqual([0, 1, 2, 3]);
    expect(countTokens(groups)).toEqual({
      tokens: 4,
      untouched: 1,
      mergedTokens: 2,
      mergedPatches: 5,
      prunedPatches: 2,
    });
  });

  it('leave out rows that are no tokens, whatever they say', () => {
    const source = sourceMap([[0], [1], [1, 2], [2]], 3);
    const groups = tokenGroups(source, rowOf(3), Float32Array.of(1, 1, 0, 0, 1));
    expect([...groups.owners]).toEqual([1, pruned, 2]);
    expect(countTokens(groups)).toEqual({
      tokens: 3,
      untouched: 2,
      mergedTokens: 0,
      mergedPatches: 0,
      prunedPatches: 1,
    });
  });

  it('count a patch once that joined two tokens', () => {
    const groups = tokenGroups(
      sourceMap(
        [
          [0, 2],
          [1, 2],
        ],
        3,
      ),
      rowOf(3),
    );
    expect([...groups.owners]).toEqual([1, 2, 1]);
    expect(countTokens(groups)).toMatchObject({ mergedPatches: 2, untouched: 1, prunedPatches: 0 });
  });

  it('find every patch of any partition again', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -1, max: 5 }), { minLength: 1, maxLength: 30 }),
        prefixes,
        (owners, prefix) => {
          const tokens = [0, 1, 2, 3, 4, 5].map((token) =>
            owners.flatMap((owner, patch) => (owner === token ? [patch] : [])),
          );
          const groups = tokenGroups(sourceMap(tokens, owners.length, prefix), rowOf(owners.length, prefix));
          expect([...groups.owners]).toEqual(owners.map((owner) => (owner < 0 ? pruned : owner + prefix)));
          const { untouched, mergedPatches, prunedPatches } = countTokens(groups);
          expect(untouched + mergedPatches + prunedPatches).toBe(owners.length);
        },
      ),
    );
  });
});

describe('the picture of tokens', () => {
  // 3×3 patches of 4 pixels: an L of merged patches, one more patch of the same token apart, a
  // pair, a pruned one, two untouched. 1 2 2 1 1 . 3 # 1
  const patchSize = 4;
  const owners = [1, 2, 2, 1, 1, 3, 4, pruned, 1];
  const image = gradientImage(3 * patchSize);
  const groups = tokenGroups(sourceMap([[0, 3, 4, 8], [1, 2], [5], [6]], 9), rowOf(9));
  const scale = pictureScale(image);
  const cell = patchSize * scale;
  const picture = tokenPicture(image, { grid: [3, 3], patch: square(patchSize) }, groups);
  const border = borderWidth(picture);
  const centre = (patch: number): number[] =>
    pixel(picture, Math.floor(((patch % 3) + 0.5) * cell), Math.floor((Math.floor(patch / 3) + 0.5) * cell));

  /** Mean of all pixels of some patches, one by one. */
  function average(patches: readonly number[]): number[] {
    return [0, 1, 2].map((channel) => {
      let [sum, count] = [0, 0];
      for (let y = 0; y < image.height; y++) {
        for (let x = 0; x < image.width; x++) {
          if (!patches.includes(Math.floor(y / patchSize) * 3 + Math.floor(x / patchSize))) continue;
          sum += image.data[(y * image.width + x) * 3 + channel] ?? 0;
          count += 1;
        }
      }
      return Math.round(sum / count);
    });
  }

  it('is large enough to see', () => {
    expect([...groups.owners]).toEqual(owners);
    expect(picture).toMatchObject({ width: 12 * scale, height: 12 * scale, channels: 3 });
    expect(picture.width).toBeGreaterThanOrEqual(448);
    expect(pictureScale(square(28))).toBe(16);
    expect(pictureScale(square(500))).toBe(1);
    expect(pictureScale({ height: 28, width: 100 })).toBe(5);
  });

  it('paints merged patches with the average colour of all of them, wherever they lie', () => {
    for (const patch of [0, 3, 4, 8]) expect(centre(patch)).toEqual(average([0, 3, 4, 8]));
    for (const patch of [1, 2]) expect(centre(patch)).toEqual(average([1, 2]));
    expect(average([0, 3, 4, 8])).not.toEqual(average([1, 2]));
  });

  it('rounds averages to the nearest colour', () => {
    const data = Uint8Array.from([0, 0, 0, 1, 3, 5, 0, 0, 0, 0, 0, 0]);
    const halves = tokenPicture(
      { data, width: 2, height: 2, channels: 3 },
      { grid: [2, 2], patch: square(1) },
      tokenGroups(sourceMap([[0, 1]], 4), rowOf(4)),
    );
    expect(pixel(halves, 112, 112)).toEqual([1, 2, 3]);
    expect(pixel(halves, 112, 336)).toEqual([...hatching(112, 336, halves)]);
  });

  it('leaves patches alone that are tokens of their own, and hatches pruned ones', () => {
    const original = enlarge(image, scale);
    const wrong: string[] = [];
    for (let y = 0; y < picture.height; y++) {
      for (let x = 0; x < picture.width; x++) {
        const owner = owners[Math.floor(y / cell) * 3 + Math.floor(x / cell)];
        if (owner === 1 || owner === 2) continue;
        const expected = owner === pruned ? hatching(x, y, picture).join() : pixel(original, x, y).join();
        if (pixel(picture, x, y).join() !== expected) wrong.push(`${x}, ${y}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('hatches in greys far apart, as no dark or bright patch of a photo looks', () => {
    const size = square(448);
    const lines = Array.from({ length: 32 }, (_, x) => hatching(x, 5, size));
    const greys = [...new Set(lines.map(([red]) => red))].sort((a, b) => a - b);
    // Grey for all eyes, and told apart in print: 4.5 to 1 is the contrast that small text needs.
    for (const [red, green, blue] of lines) expect([green, blue]).toEqual([red, red]);
    const luminance = (grey: number): number => ((grey / 255 + 0.055) / 1.055) ** 2.4;
    expect(greys).toHaveLength(2);
    expect((luminance(greys[1] ?? 0) + 0.05) / (luminance(greys[0] ?? 0) + 0.05)).toBeGreaterThan(4.5);
    // Both greys in every row and column of a patch of 32 pixels, and stripes that lie across.
    expect(hatching(3, 6, size)).toEqual(hatching(4, 5, size));
    expect(lines.map(([red]) => red)).toEqual(Array.from({ length: 32 }, (_, y) => hatching(5, y, size)[0]));
  });

  it('outlines merged tokens in their own colour, and nothing else', () => {
    const colours = new Map([
      [1, borderColour(0)],
      [2, borderColour(1)],
    ]);
    const averages = new Map([
      [1, average([0, 3, 4, 8])],
      [2, average([1, 2])],
    ]);
    const ownerAt = (x: number, y: number): number | undefined =>
      x < 0 || y < 0 || x >= picture.width || y >= picture.height
        ? undefined
        : owners[Math.floor(y / cell) * 3 + Math.floor(x / cell)];
    for (let y = 0; y < picture.height; y++) {
      for (let x = 0; x < picture.width; x++) {
        const owner = ownerAt(x, y);
        const colour = owner === undefined ? undefined : colours.get(owner);
        if (colour === undefined) continue;
        // Another owner within a border's width, in any direction: the plain meaning of an outline.
        let outline = false;
        for (const dx of [-border, 0, border])
          for (const dy of [-border, 0, border]) outline ||= ownerAt(x + dx, y + dy) !== owner;
        const expected = outline ? colour : (averages.get(owner ?? 0) ?? []);
        if (pixel(picture, x, y).join() !== expected.join()) {
          expect.fail(`pixel ${x}, ${y} is ${pixel(picture, x, y).join()} and not ${expected.join()}`);
        }
      }
    }
  });

  it('of an oblong image with oblong patches leaves black what is in no patch', () => {
    // 2×3 patches of 4×6 pixels in 9×20: a row and two columns are left over.
    const oblong = gradientImage(9, 20);
    const patches = { grid: [2, 3], patch: { height: 4, width: 6 } } as const;
    const drawn = tokenPicture(oblong, patches, tokenGroups(sourceMap([[0], [1, 4], [2], [3]], 6, 0), rowOf(6, 0)));
    const factor = pictureScale(oblong);
    expect(drawn).toMatchObject({ width: 20 * factor, height: 9 * factor });
    const original = enlarge(oblong, factor);
    const at = (row: number, column: number): [number, number] => [
      Math.floor((column + 0.5) * 6 * factor),
      Math.floor((row + 0.5) * 4 * factor),
    ];
    for (const [row, column] of [
      [0, 0],
      [0, 2],
      [1, 0],
    ] as const)
      expect(pixel(drawn, ...at(row, column))).toEqual(pixel(original, ...at(row, column)));
    expect(pixel(drawn, ...at(1, 2))).toEqual([...hatching(...at(1, 2), drawn)]);
    const merged = [0, 1, 2].map((channel) => {
      let sum = 0;
      for (let y = 0; y < 8; y++) for (let x = 6; x < 12; x++) sum += oblong.data[(y * 20 + x) * 3 + channel] ?? 0;
      return Math.round(sum / 48);
    });
    expect(pixel(drawn, ...at(0, 1))).toEqual(merged);
    expect(pixel(drawn, ...at(1, 1))).toEqual(merged);
    expect(pixel(drawn, 18 * factor, 0)).toEqual([0, 0, 0]);
    expect(pixel(drawn, 0, 8 * factor)).toEqual([0, 0, 0]);
  });

  it('has a border colour of its own for every patch of a picture', () => {
    expect(new Set(Array.from({ length: 256 }, (_, patch) => borderColour(patch).join())).size).toBeGreaterThan(240);
  });
});
