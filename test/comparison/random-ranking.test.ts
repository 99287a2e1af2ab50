/**
 * The ranking against evaluations of each schedule by itself, ranks by hand, and continuing where
 * it was stopped.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rankSchedules, ranksAmong } from '../../src/comparison/random-ranking.ts';
import type { RankingSums } from '../../src/comparison/random-ranking.ts';
import { randomSchedules } from '../../src/comparison/random-schedules.ts';
import { baselineFlops } from '../../src/cost/flops.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { evaluateVariants } from '../../src/evaluation/evaluate.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { narrowSizes, smallModel } from '../small-networks.ts';

const model = smallModel(narrowSizes);
const random = randomSchedules(model.network, {
  count: 10,
  gflops: (0.7 * baselineFlops(model.network).total) / 1e9,
  seed: 0,
});
const placed = [{ name: 'own', kept: { pruneKept: [17, 14, 10, 6], mergeKept: [17, 12, 8, 3] } }];
const images = 18;

let directory = '';
let folder: ImageSource;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-ranking-'));
  await writeRandomImages(
    directory,
    images,
    Array.from({ length: images }, (_, index) => index % 7),
  );
  folder = await openImageFolder(directory);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('rankSchedules', () => {
  it('measures what an evaluation of each schedule by itself measures', async () => {
    // Two batches, the second one not full.
    const ranking = await rankSchedules(model, { source: folder, images, seed: 1, random, placed });
    expect(ranking.images).toBe(images);
    expect(ranking.saved).toBeGreaterThan(0.2);
    const all = [...ranking.random, ...ranking.placed];
    const variants = [...random, ...placed.map(({ kept }) => kept)].map((schedule) => ({ schedule }));
    const expected = await evaluateVariants(model, variants, { images: folder });
    expect(all).toHaveLength(expected.length);
    for (const [index, { kl, agreement, top1, gflops }] of expected.entries()) {
      expect(all[index]?.kl).toBeCloseTo(kl ?? Number.NaN, 5);
      expect(all[index]?.agreement).toBeCloseTo(agreement ?? Number.NaN, 6);
      expect(all[index]?.top1).toBeCloseTo(top1 ?? Number.NaN, 6);
      expect(all[index]?.gflops).toBeCloseTo(gflops ?? Number.NaN, 9);
    }
    const [own] = ranking.placed;
    const better = ranking.random.filter(({ kl }) => (kl ?? 0) < (own?.kl ?? 0)).length;
    expect(own).toMatchObject({ name: 'own', rankByDistance: better + 1, rankByKl: better + 1 });
    expect(ranking.objective).toBe('classDivergence');
  });

  it.each([
    ['features', { classes: 0 }, 'featureDistance'],
    ['labels', { problem: 'labels', pool: 'mean' }, 'multiLabelDivergence'],
    ['numbers', { classes: 1 }, 'regressionError'],
  ] as const)('ranks by the distance of answers that are %s', async (_, sizes, objective) => {
    const other = smallModel({ ...narrowSizes, ...sizes });
    const few = random.slice(0, 4);
    const ranking = await rankSchedules(other, { source: folder, images, seed: 1, random: few, placed });
    expect(ranking.objective).toBe(objective);
    const variants = [...few, ...placed.map(({ kept }) => kept)].map((schedule) => ({ schedule }));
    const expected = await evaluateVariants(other, variants, { images: folder });
    for (const [index, { objective: measured, agreement }] of expected.entries()) {
      const own = [...ranking.random, ...ranking.placed][index];
      const value = measured?.value ?? Number.NaN;
      // A root mean square is measured there, and a mean square summed up here.
      expect(own?.distance).toBeCloseTo(objective === 'regressionError' ? value ** 2 : value, 5);
      expect(own).toMatchObject({ kl: null, top1: null });
      if (agreement === null) expect(own?.agreement).toBeNull();
      else expect(own?.agreement).toBeCloseTo(agreement, 6);
    }
    expect(ranking.placed[0]).toMatchObject({ rankByKl: null, rankByTop1: null });
    const { distance = 0, rankByDistance } = ranking.placed[0] ?? {};
    expect(rankByDistance).toBe(1 + ranking.random.filter((one) => one.distance < distance).length);
  });

  it('says how the schedules merge, which is as the placed one does', async () => {
    const merging = { ...placed[0], kept: { ...placed[0]?.kept, merging: 'patches' } } as (typeof placed)[number];
    const whole = await rankSchedules(model, {
      source: folder,
      images,
      seed: 1,
      random: random.slice(0, 2),
      placed: [merging],
    });
    const results = await evaluateVariants(
      model,
      [...whole.random, ...whole.placed].map((schedule) => ({ schedule })),
      { images: folder },
    );
    for (const [index, schedule] of [...whole.random, ...whole.placed].entries()) {
      expect(schedule.merging).toBe('patches');
      // Given back, it is what was measured.
      expect(schedule.kl).toBeCloseTo(results[index]?.kl ?? Number.NaN, 5);
    }
  });

  it('continues after the last batch that is done', async () => {
    const saved: RankingSums[] = [];
    const whole = await rankSchedules(model, {
      source: folder,
      images,
      seed: 1,
      random,
      placed,
      onBatch: async (sums) => void saved.push(structuredClone(sums)),
    });
    expect(saved.map((sums) => sums.images)).toEqual([16, 18]);
    let batches = 0;
    const resumed = await rankSchedules(model, {
      source: folder,
      images,
      seed: 1,
      random,
      placed,
      resumed: saved[0],
      onBatch: async () => void (batches += 1),
    });
    expect(batches).toBe(1);
    expect(resumed).toEqual(whole);
  });
});

describe('ranksAmong', () => {
  it('counts those that are better', () => {
    const others = [
      { distance: 0.1, kl: 0.1, top1: 50 },
      { distance: 0.2, kl: 0.2, top1: 60 },
      { distance: 0.3, kl: 0.3, top1: 60 },
    ];
    const ranks = (distance: number, kl: number | null, top1: number | null): unknown =>
      Object.values(ranksAmong({ distance, kl, top1 }, others));
    expect(ranks(0.25, 0.25, 55)).toEqual([3, 3, 3]);
    expect(ranks(0.1, 0.1, 60)).toEqual([1, 1, 1]);
    expect(ranks(1, null, null)).toEqual([4, null, null]);
  });
});
