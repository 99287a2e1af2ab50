/** The evaluator of this process: pure questions by number, whatever was asked before. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageSource } from '../../src/data/image-source.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import { DiffrateError } from '../../src/errors.ts';
import type { StepResult } from '../../src/execution/gradient-step.ts';
import { LocalEvaluator } from '../../src/execution/local-evaluator.ts';
import type { LocalEvaluatorOptions } from '../../src/execution/local-evaluator.ts';
import { objectiveFor } from '../../src/objectives/registry.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { searchSpace } from '../../src/reduction/search-space.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { presets } from '../../src/search/presets.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { narrowSizes, smallModel } from '../small-networks.ts';
import { evaluatorOptions } from './evaluator-options.ts';

const count = 11;
const model = smallModel(narrowSizes);
const { classes } = narrowSizes;

let root = '';
let plain: ImageSource;
let labelled: ImageSource;
/** With an image that is none. */
let damaged: ImageSource;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'diffrate-evaluator-'));
  await writeRandomImages(join(root, 'plain'), count);
  plain = await openImageFolder(join(root, 'plain'));
  const labels = Array.from({ length: count }, (_, index) => index % classes);
  await writeRandomImages(join(root, 'labelled'), count, labels);
  labelled = await openImageFolder(join(root, 'labelled'));
  await writeRandomImages(join(root, 'damaged'), count);
  writeFileSync(join(root, 'damaged', '003b.png'), 'no image');
  damaged = await openImageFolder(join(root, 'damaged'));
});
afterAll(() => rmSync(root, { recursive: true }));

const kept: KeptNumbers = { pruneKept: [17, 16, 12, 1], mergeKept: [17, 13, 9, 1] };
const other: KeptNumbers = { pruneKept: [17, 17, 10, 1], mergeKept: [17, 15, 6, 1] };

async function withEvaluator<Result>(
  options: LocalEvaluatorOptions,
  work: (evaluator: LocalEvaluator) => Promise<Result>,
): Promise<Result> {
  const evaluator = await LocalEvaluator.create(options);
  try {
    return await work(evaluator);
  } finally {
    await evaluator.dispose();
  }
}

/**
 * The recipe of the paper: labels, mixed images, strong augmentation; and that of small data, with
 * a teacher.
 */
const recipes = (): [string, LocalEvaluatorOptions][] => {
  const { augmentation, mixing, labelSmoothing } = presets.paper;
  return [
    ['the teacher’s answers', evaluatorOptions(model, plain)],
    ['the teacher’s answers where an image cannot be decoded', evaluatorOptions(model, damaged)],
    [
      'labels of mixed images in micro-batches',
      evaluatorOptions(model, labelled, {
        targets: 'labels',
        recipe: { augmentation, mixing, labelSmoothing },
        space: searchSpace(model.network, true),
        microBatches: 3,
        microBatchSize: 2,
      }),
    ],
  ];
};

describe('gradients of a numbered batch', () => {
  it('are the same in any order, asked again, and by an evaluator that begins with it', async () => {
    for (const [name, options] of recipes()) {
      const [inOrder, again] = await withEvaluator(options, async (evaluator) => {
        const results: StepResult[] = [];
        for (let batch = 0; batch < 6; batch++) results.push(await evaluator.gradient(kept, batch));
        const repeated = new Map<number, StepResult>();
        for (const batch of [4, 1, 1, 5, 0]) {
          await evaluator.gradient(other, batch + 1);
          repeated.set(batch, await evaluator.gradient(kept, batch));
        }
        return [results, repeated];
      });
      for (const [batch, result] of again) expect(result, `${name}, batch ${batch}`).toEqual(inOrder[batch]);
      const begun = await withEvaluator(options, (evaluator) => evaluator.gradient(kept, 3));
      expect(begun, name).toEqual(inOrder[3]);
      // Batches differ, and so do schedules.
      expect(inOrder[0]).not.toEqual(inOrder[1]);
      expect(inOrder.every(({ loss }) => Number.isFinite(loss))).toBe(true);
    }
  });

  it('are the same after calibration, and several at once', async () => {
    const [, options] = recipes()[0] as [string, LocalEvaluatorOptions];
    await withEvaluator(options, async (evaluator) => {
      const before = await evaluator.gradient(kept, 2);
      await evaluator.calibrate(3);
      expect(await evaluator.gradient(kept, 2)).toEqual(before);
      const together = await Promise.all([2, 5, 2, 3].map((batch) => evaluator.gradient(kept, batch)));
      expect(together[0]).toEqual(before);
      expect(together[2]).toEqual(before);
      expect(together[1]).toEqual(await evaluator.gradient(kept, 5));
    });
  });

  it('are means over images, however many micro-batches they come in', async () => {
    const whole = await withEvaluator(evaluatorOptions(model, plain, { microBatchSize: 8 }), (one) =>
      one.gradient(kept, 1),
    );
    const halves = evaluatorOptions(model, plain, { microBatches: 2, microBatchSize: 4 });
    const parts = await withEvaluator(halves, (one) => one.gradient(kept, 1));
    expect(parts.loss).toBeCloseTo(whole.loss, 12);
    whole.gradients.forEach(({ mask, merging }, index) => {
      const own = parts.gradients[index];
      mask.forEach((value, position) => expect(own?.mask[position]).toBeCloseTo(value, 12));
      merging.forEach((value, position) => expect(own?.merging[position]).toBeCloseTo(value, 12));
    });
  });
});

describe('losses of a look', () => {
  it('are the same to the bit whoever leads, was asked before, or asks', async () => {
    const [, options] = recipes()[0] as [string, LocalEvaluatorOptions];
    const alone = await withEvaluator(options, async (evaluator) => {
      const looks = await evaluator.calibrate(3);
      const losses: Float64Array[] = [];
      for (const look of looks.from(0)) losses.push(await evaluator.losses(kept, look));
      return losses;
    });
    expect(alone.map(({ length }) => length)).toEqual([4, 4, 3]);
    await withEvaluator(options, async (evaluator) => {
      await evaluator.gradient(kept, 0);
      const looks = await evaluator.calibrate(3);
      const same = async (): Promise<void> => {
        for (const look of [2, 0, 1]) {
          expect(await evaluator.losses(kept, look)).toEqual(alone[look]);
          // The same numbers in another object.
          expect(await evaluator.losses({ ...kept }, look)).toEqual(alone[look]);
        }
      };
      await same();
      for (const leader of [other, kept, { ...kept, mergeKept: [17, 13, 4, 1] }, { ...kept }]) {
        // It leads before it has run, when it has run in part, and as a whole.
        evaluator.lead(leader);
        await same();
        for (const look of looks.from(1)) {
          await evaluator.losses(leader, look);
          evaluator.lead(leader);
          await same();
        }
      }
      // Loaded again.
      expect(await evaluator.calibrate(3)).toBe(looks);
      expect((await evaluator.calibrate(2)).count).toBe(2);
      await evaluator.calibrate(3);
      await same();
    });
  });

  it('are distances of the objective, in the scale of the plain answers where it has one', async () => {
    const regression = smallModel({ ...narrowSizes, classes: 1 });
    const objective = objectiveFor(regression.network.answers);
    expect(objective.name).toBe('regressionError');
    const scaled = { ...objective, fitted: undefined };
    const [own, unscaled] = await Promise.all(
      [objective, scaled].map((one) =>
        withEvaluator(evaluatorOptions(regression, plain, { objective: one }), async (evaluator) => {
          await evaluator.calibrate(1);
          return evaluator.losses(kept, 0);
        }),
      ),
    );
    const ratio = (own?.[0] as number) / (unscaled?.[0] as number);
    expect(Math.abs(ratio - 1)).toBeGreaterThan(1e-3);
    own?.forEach((loss, image) => expect(loss / (unscaled?.[image] as number)).toBeCloseTo(ratio, 9));
  });

  it('need calibration first', async () => {
    await withEvaluator(evaluatorOptions(model, plain), async (evaluator) => {
      await expect(evaluator.losses(kept, 0)).rejects.toThrow(DiffrateError);
      expect(() => evaluator.lead(kept)).toThrow('The calibration images are not loaded yet.');
    });
  });

  it('may be stopped while the images are loaded, and calibrated again', async () => {
    await withEvaluator(evaluatorOptions(model, plain), async (evaluator) => {
      const stopped = evaluator.calibrate(3, () => Promise.reject(new RangeError('stopped')));
      await expect(stopped).rejects.toThrow('stopped');
      expect((await evaluator.calibrate(3)).images).toBe(count);
    });
  });
});

describe('an evaluator', () => {
  it('tells of images that it left out and of its waiting while it still computes gradients', async () => {
    const told: string[] = [];
    const options = evaluatorOptions(model, damaged, { onWarning: (message) => told.push(message) });
    await withEvaluator(options, async (evaluator) => {
      expect(evaluator.skipped).toEqual([]);
      for (let batch = 0; batch < 3; batch++) await evaluator.gradient(kept, batch);
      expect(evaluator.skipped.map(({ file }) => file)).toEqual(['003b.png']);
      expect(evaluator.waitingMilliseconds).toBeGreaterThan(0);
      const waited = evaluator.waitingMilliseconds;
      await evaluator.calibrate(2);
      expect(evaluator.skipped.map(({ file }) => file)).toEqual(['003b.png']);
      expect(evaluator.waitingMilliseconds).toBe(waited);
    });
    expect(told.length).toBeGreaterThan(0);
  });

  it('frees every session, also where one cannot be loaded, and may be asked again then', async () => {
    for (const failing of [1, 2, 3]) {
      let [loaded, open] = [0, 0];
      const runtime: Runtime = {
        ...nodeRuntime,
        load: async (graph, session) => {
          if (++loaded === failing) throw new DiffrateError('no room');
          const own = await nodeRuntime.load(graph, session);
          open++;
          return {
            run: (feeds, wanted) => own.run(feeds, wanted),
            endProfiling: () => own.endProfiling(),
            dispose: async () => {
              open--;
              await own.dispose();
            },
          };
        },
      };
      const evaluator = await LocalEvaluator.create(evaluatorOptions(model, plain, { runtime }));
      const work = async (): Promise<void> => {
        await evaluator.gradient(kept, 0);
        await evaluator.calibrate(2);
        await evaluator.losses(kept, 0);
      };
      await expect(work()).rejects.toThrow('no room');
      if (failing === 3) await work();
      await evaluator.dispose();
      expect(open, `load ${failing} fails`).toBe(0);
    }
  });
});
