import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { namedShape } from '../../src/networks/model.ts';
import { findModel } from '../../src/networks/registry.ts';
import { findPublishedSchedule, publishedSchedules } from '../../src/reduction/published-schedules.ts';
import { validateSchedule } from '../../src/reduction/validate-schedule.ts';

const data = process.env['DIFFRATE_DATA'] ?? '../shared/data';
const authorsFile = join(dirname(data), 'published-schedules.json');

interface AuthorsSchedule {
  readonly model: string;
  readonly target_gflops: number;
  readonly prune_kept: number[] | null;
  readonly merge_kept: number[];
}

describe('publishedSchedules', () => {
  it('has every budget of every model once', () => {
    const names = publishedSchedules.map((schedule) => schedule.name);
    expect(new Set(names).size).toBe(names.length);
    const budgets: Record<string, unknown[]> = {};
    for (const { model, target } of publishedSchedules) (budgets[model] ??= []).push(target);
    expect(budgets).toEqual({
      deit_tiny_patch16_224: [0.6, 0.7, 0.8, 0.9, 1, 1],
      deit_small_patch16_224: [2.3, 2.5, 2.7, 2.9, 3.1],
      deit_base_patch16_224: [8.7, 10, 10.4, 11.5, 12.5],
      mae_vit_base_patch16: [8.7, 10, 10.4, 11.5],
      mae_vit_large_patch16: [31, 34.7, 38.5, 42.3, 46.1],
      mae_vit_huge_patch14: [83.7, 93.2, 103.4, 124.5],
      caformer_s36: [5.2, 5.6, 6],
    });
  });

  it.each(publishedSchedules)('$name fits its network', (schedule) => {
    const shape = namedShape(findModel(schedule.model).network, schedule.model);
    expect(validateSchedule(schedule, shape, { allowRising: true })).toEqual([]);
  });

  it.skipIf(!existsSync(authorsFile))('are the numbers in the authors’ file', () => {
    const file = JSON.parse(readFileSync(authorsFile, 'utf8')) as {
      schedules: AuthorsSchedule[];
      also: AuthorsSchedule[];
    };
    const ours = publishedSchedules.map((schedule) => {
      const model = findModel(schedule.model).aliases.at(-1);
      return { model, target: schedule.target, prune: schedule.pruneKept, merge: schedule.mergeKept };
    });
    const theirs = [...file.schedules, ...file.also].map((schedule) => ({
      model: schedule.model,
      target: schedule.target_gflops,
      prune: schedule.prune_kept ?? Array<number>(18).fill(196),
      merge: schedule.prune_kept === null ? schedule.merge_kept.slice(0, 18) : schedule.merge_kept,
    }));
    expect(ours).toHaveLength(theirs.length);
    expect(ours).toEqual(expect.arrayContaining(theirs));
  });

  it('keeps both versions of DeiT-T at 1.0 G and says where they stand', () => {
    const code = findPublishedSchedule('deit_tiny_patch16_224@1.0');
    const paper = findPublishedSchedule('deit_tiny_patch16_224@1.0-paper');
    expect(code.mergeKept.at(-1)).toBe(21);
    expect(paper.mergeKept.at(-1)).toBe(3);
    expect(code.source).toContain('compression_rate.json');
    expect(paper.source).toContain('Table 10');
    expect(code.mergeKept.slice(0, -1)).toEqual(paper.mergeKept.slice(0, -1));
  });
});

describe('findPublishedSchedule', () => {
  it('finds by full name and by budget', () => {
    const small = findPublishedSchedule('deit_small_patch16_224@2.9');
    expect(small.mergeKept).toEqual([197, 194, 176, 156, 141, 133, 121, 107, 88, 64, 56, 3]);
    expect(findPublishedSchedule('2.9', 'deit_small_patch16_224')).toBe(small);
    expect(findPublishedSchedule('2.90', 'deit_small_patch16_224')).toBe(small);
    expect(findPublishedSchedule('deit_base_patch16_224@10').name).toBe('deit_base_patch16_224@10.0');
  });

  it.each([
    ['deit_small_patch16_224@2.8', undefined, /for deit_small_patch16_224 there are .*deit_small_patch16_224@2\.9/],
    ['0.8', 'deit_small_patch16_224', /for deit_small_patch16_224 there are/],
    ['deit_small_patch16_224@', undefined, /for deit_small_patch16_224 there are/],
    [
      'vit_tiny_patch16_224@0.8',
      undefined,
      /is neither a schedule file nor a published schedule.*mae_vit_huge_patch14/,
    ],
    ['', undefined, /is neither a schedule file/],
  ])('rejects "%s" for %s', (name, model, sentence) => {
    expect(() => findPublishedSchedule(name, model)).toThrow(sentence);
    expect(() => findPublishedSchedule(name, model)).toThrow(DiffrateError);
  });
});
