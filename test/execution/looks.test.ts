/** Images in looks and runs: each once, in whole runs of one size as far as that goes. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Looks } from '../../src/execution/looks.ts';

const drawn = fc.record({ images: fc.integer({ min: 1, max: 400 }), wanted: fc.integer({ min: 1, max: 12 }) });
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('looks', () => {
  it('hold every image once, in order, none of them empty', () => {
    fc.assert(
      fc.property(drawn, ({ images, wanted }) => {
        const looks = new Looks(images, wanted);
        expect(looks.count).toBeLessThanOrEqual(wanted);
        const seen = range(looks.count).flatMap((look) => {
          const [first, end] = looks.range(look);
          expect(end).toBeGreaterThan(first);
          return range(end - first).map((index) => first + index);
        });
        expect(seen).toEqual(range(images));
      }),
    );
  });

  it('are of one size but the last, which is no larger', () => {
    fc.assert(
      fc.property(drawn, ({ images, wanted }) => {
        const looks = new Looks(images, wanted);
        const sizes = range(looks.count).map((look) => {
          const [first, end] = looks.range(look);
          return end - first;
        });
        for (const size of sizes.slice(0, -1)) expect(size).toBe(looks.perLook);
        expect(sizes.at(-1)).toBeLessThanOrEqual(looks.perLook);
      }),
    );
  });

  it('are run in pieces of at most sixteen images, each image once and in order', () => {
    fc.assert(
      fc.property(drawn, ({ images, wanted }) => {
        const looks = new Looks(images, wanted);
        expect(looks.batch).toBeLessThanOrEqual(16);
        const all = range(looks.count).flatMap((look) => looks.runs(look));
        const seen = all.flatMap(([first, end]) => {
          expect(end - first).toBeGreaterThan(0);
          expect(end - first).toBeLessThanOrEqual(looks.batch);
          return range(end - first).map((index) => first + index);
        });
        expect(seen).toEqual(range(images));
        // No more runs than sixteen to a run would need.
        for (const look of range(looks.count)) {
          const [first, end] = looks.range(look);
          expect(looks.runs(look).length).toBeLessThanOrEqual(Math.ceil(looks.perLook / 16));
          expect(looks.runs(look)[0]?.[0]).toBe(first);
          expect(looks.runs(look).at(-1)?.[1]).toBe(end);
        }
      }),
    );
  });

  it('begin where they are told and go round', () => {
    const looks = new Looks(40, 4);
    expect(looks.from(0)).toEqual([0, 1, 2, 3]);
    expect(looks.from(2)).toEqual([2, 3, 0, 1]);
  });

  it('add up the losses of their own images', () => {
    const looks = new Looks(10, 3);
    const losses = Float64Array.from(range(10));
    expect(range(looks.count).map((look) => looks.sum(losses, look))).toEqual([6, 22, 17]);
  });

  it.each([
    [40, 4, { perLook: 10, count: 4, batch: 10 }],
    [3, 4, { perLook: 1, count: 3, batch: 1 }],
    [100, 2, { perLook: 50, count: 2, batch: 13 }],
    [1, 1, { perLook: 1, count: 1, batch: 1 }],
  ])('of %i images in %i', (images, wanted, expected) => {
    expect(new Looks(images, wanted)).toMatchObject(expected);
  });
});
