/**
 * Corrections of a small network: better on images that were held out, the same after an
 * interruption, and none where none is better.
 */
import { describe, expect, it } from 'vitest';
import { checkCorrection, divideImages } from '../../src/correction/check-correction.ts';
import { correctSchedule } from '../../src/correction/correct-schedule.ts';
import { correctedLayout } from '../../src/correction/corrected-parameters.ts';
import type {
  CorrectionOptions,
  CorrectionOutcome,
  CorrectionProgress,
} from '../../src/correction/correction-options.ts';
import { memoryImages } from '../../src/data/memory-images.ts';
import { evaluateModel } from '../../src/evaluation/evaluate.ts';
import { correctedModel } from '../../src/exporting/correction-file.ts';
import { networkParameters } from '../../src/networks/recorded-parameters.ts';
import { colouredImages, memoryProgress, model, schedule } from './small-correction.ts';

const images = colouredImages(60);
const options: CorrectionOptions = { steps: 30, batchSize: 8, learningRate: 3e-3, seed: 1, threads: 1 };
const correct = (
  changes: CorrectionOptions = {},
  onProgress?: (progress: CorrectionProgress) => void,
): Promise<CorrectionOutcome> => correctSchedule(model, schedule, images, { ...options, ...changes }, onProgress);

/** Everything but the time that it took. */
const withoutTime = (outcome: CorrectionOutcome): unknown => ({ ...outcome, seconds: 0 });

describe('a correction', () => {
  it('brings answers nearer on images that it was not trained on, by exactly what it says', async () => {
    const found = await correct();
    const { correction, before, after, bestStep, looks } = found;
    expect(after).toBeLessThan(0.98 * before);
    expect([found.trainingImages, found.heldOutImages]).toEqual([48, 12]);
    expect(looks.map(({ step }) => step)).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30]);
    expect(Math.min(...looks.map(({ heldOut }) => heldOut))).toBe(after);
    expect(looks.find(({ step }) => step === bestStep)?.heldOut).toBe(after);
    if (correction === null) throw new Error('there is a correction');
    const { heldOut } = await divideImages(images, 1);
    const measured = { images: heldOut, schedule, threads: 1 };
    const plain = await evaluateModel(model, measured);
    const corrected = await correctedModel(model, schedule, correction);
    const own = await evaluateModel(corrected, { ...measured, reference: model });
    expect(plain.kl).toBeCloseTo(before, 5);
    expect(own.kl).toBeCloseTo(after, 5);
  });

  it('is the same for the same seed, and another for another one', async () => {
    const found = withoutTime(await correct({ steps: 4 }));
    expect(withoutTime(await correct({ steps: 4 }))).toEqual(found);
    expect(withoutTime(await correct({ steps: 4, seed: 2 }))).not.toEqual(found);
  });

  it('that was stopped goes on to the same bits', async () => {
    const whole = withoutTime(await correct({ steps: 12 }));
    const progress = memoryProgress();
    const controller = new AbortController();
    const stopping = correct({ steps: 12, progress, signal: controller.signal }, ({ step }) => {
      if (step === 7) controller.abort();
    });
    await expect(stopping).rejects.toThrow('stopped after step 7 of 12; continue it with `resume: true`');
    await expect(correct({ steps: 12, progress })).rejects.toThrow(/holds progress of this very correction/);
    await expect(correct({ steps: 13, progress, resume: true })).rejects.toThrow(/belongs to another correction/);
    const kept = progress.text;
    expect(withoutTime(await correct({ steps: 12, progress, resume: true }))).toEqual(whole);
    // What is done ends at once, with the same result.
    expect(withoutTime(await correct({ steps: 12, progress, resume: true }))).toEqual(whole);
    progress.text = kept?.replace(/"best":"[^"]{8}/, '"best":"') ?? '';
    await expect(correct({ steps: 12, progress, resume: true })).rejects.toThrow(/'memory' is damaged: begin anew/);
    expect(withoutTime(await correct({ steps: 12, progress, resume: false }))).toEqual(whole);
  });

  it('that is worse than none is none', async () => {
    const { correction, before, after, bestStep } = await correct({ steps: 2, learningRate: 3 });
    expect(correction).toBeNull();
    expect([after, bestStep]).toEqual([before, 0]);
  });

  it.each([
    [{ steps: 0 }, /The correction's steps must be a whole number from 1, not 0/],
    [{ learningRate: Number.NaN }, /learningRate must be a number above 0, not NaN/],
    [{ seed: -1 }, /seed must be a whole number from 0, not -1/],
    [{ rate: 1 } as CorrectionOptions, /The correction has no option "rate"/],
  ])('is refused with %o', async (changes, sentence) => {
    await expect(correct(changes)).rejects.toThrow(sentence);
  });

  it('is refused for a schedule of another network', async () => {
    const short = { ...schedule, pruneKept: [17, 9], mergeKept: [17, 9] };
    await expect(correctSchedule(model, short, images, options)).rejects.toThrow(/for 2 blocks but the network has 4/);
  });

  it('is checked before its schedule is known', async () => {
    await checkCorrection(images, options);
    await expect(checkCorrection(colouredImages(9), options)).rejects.toThrow(/9 different images, .* at least 10/);
    const progress = memoryProgress();
    progress.text = '{}';
    await expect(checkCorrection(images, { ...options, progress })).rejects.toThrow(/holds progress of a correction/);
    await checkCorrection(images, { ...options, progress, resume: true });
    await expect(checkCorrection(images, { ...options, batchSize: 1.5 })).rejects.toThrow(/batchSize/);
  });
});

describe('held-out images', () => {
  it('have no copy among the others', async () => {
    const shade = (value: number) => ({ data: new Uint8Array(12).fill(value), width: 2, height: 2 });
    const copies = memoryImages([...Array(100).keys()].map((image) => shade(image % 20)));
    for (const seed of [0, 1, 2]) {
      const { training, heldOut } = await divideImages(copies, seed);
      expect([training.images.length, heldOut.images.length]).toEqual([80, 20]);
      const shades = (source: typeof heldOut): number[] =>
        source.images.map(({ file }) => copies.images.findIndex((image) => image.file === file) % 20);
      expect(shades(training).filter((value) => shades(heldOut).includes(value))).toEqual([]);
    }
  });
});

describe('corrected parameters', () => {
  it('are norms and biases of the blocks and of what follows', () => {
    const names = correctedLayout(model.network, () => true).parameters.map(({ name }) => name);
    const all = networkParameters(model.network).map(({ name }) => name);
    const expected = all.filter((name) => /norm\d?\.(weight|bias)$|(qkv|proj|fc1|fc2|head)\.bias$/.test(name));
    expect(names.toSorted()).toEqual(expected.filter((name) => !name.startsWith('patch_embed')).toSorted());
    expect(names).toContain('blocks.0.attn.qkv.bias');
  });

  it('leave out what a checkpoint has not', () => {
    const names = correctedLayout(model.network, (name) => !name.endsWith('qkv.bias')).parameters.map(
      ({ name }) => name,
    );
    expect(names.filter((name) => name.includes('qkv'))).toEqual([]);
  });
});
