/** The ranking against evaluations of each schedule by itself, ranks by hand, and continuing where it was stopped. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rankSchedules, ranksAmong } from '../../src/comparison/random-ranking.ts';
import type { RankingSums } from '../../src/comparison/random-ranking.ts';
import { randomSchedules } from '../../src/comparison/random-schedules.ts';
import { baselineFlops } from '../../src/cost/flops.ts';
import { openImageFolder } from '../../src/data/image-folder.ts';
import type { ImageFolder } from '../../src/data/image-folder.ts';
import { evaluateVariants } from '../../src/evaluation/evaluate.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { smallConfiguration, smallNetwork } from '../evaluation/small-network.ts';

const network = smallNetwork();
const random = randomSchedules(smallConfiguration, {
  count: 20,
  gflops: (0.7 * baselineFlops(smallConfiguration).total) / 1e9,
  seed: 0,
});
const placed = [{ name: 'own', kept: { pruneKept: [17, 14, 10, 6], mergeKept: [17, 12, 8, 3] } }];
const images = 18;

let directory = '';
let folder: ImageFolder;

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
    const ranking = await rankSchedules(network, { folder, images, seed: 1, random, placed });
    expect(ranking.images).toBe(images);
    expect(ranking.saved).toBeGreaterThan(0.2);
    const all = [...ranking.random, ...ranking.placed];
    const variants = [...random, ...placed.map(({ kept }) => kept)].map((schedule) => ({ schedule }));
    const expected = await evaluateVariants(network, variants, { folder });
    expect(all).toHaveLength(expected.length);
    for (const [index, { kl, agreement, top1, gflops }] of expected.entries()) {
      expect(all[index]?.kl).toBeCloseTo(kl ?? Number.NaN, 5);
      expect(all[index]?.agreement).toBeCloseTo(agreement ?? Number.NaN, 6);
      expect(all[index]?.top1).toBeCloseTo(top1 ?? Number.NaN, 6);
      expect(all[index]?.gflops).toBeCloseTo(gflops ?? Number.NaN, 9);
    }
    const [own] = ranking.placed;
    const better = ranking.random.filter(({ kl }) => kl < (own?.kl ?? 0)).length;
    expect(own).toMatchObject({ name: 'own', rankByKl: better + 1 });
  });

  it('says how the schedules merge, which is as the placed one does', async () => {
    const merging = { ...placed[0], kept: { ...placed[0]?.kept, merging: 'patches' } } as (typeof placed)[number];
    const whole = await rankSchedules(network, {
      folder,
      images,
      seed: 1,
      random: random.slice(0, 2),
      placed: [merging],
    });
    const results = await evaluateVariants(
      network,
      [...whole.random, ...whole.placed].map((schedule) => ({ schedule })),
      { folder },
    );
    for (const [index, schedule] of [...whole.random, ...whole.placed].entries()) {
      expect(schedule.merging).toBe('patches');
      // Given back, it is what was measured.
      expect(schedule.kl).toBeCloseTo(results[index]?.kl ?? Number.NaN, 5);
    }
  });

  it('continues after the last batch that is done', async () => {
    const saved: RankingSums[] = [];
    const whole = await rankSchedules(network, {
      folder,
      images,
      seed: 1,
      random,
      placed,
      onBatch: async (sums) => void saved.push(structuredClone(sums)),
    });
    expect(saved.map((sums) => sums.images)).toEqual([16, 18]);
    let batches = 0;
    const resumed = await rankSchedules(network, {
      folder,
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
      { kl: 0.1, top1: 50 },
      { kl: 0.2, top1: 60 },
      { kl: 0.3, top1: 60 },
    ];
    expect(ranksAmong({ kl: 0.25, top1: 55 }, others)).toEqual({ rankByKl: 3, rankByTop1: 3 });
    expect(ranksAmong({ kl: 0.1, top1: 60 }, others)).toEqual({ rankByKl: 1, rankByTop1: 1 });
    expect(ranksAmong({ kl: 1, top1: null }, others)).toEqual({ rankByKl: 4, rankByTop1: null });
  });
});
