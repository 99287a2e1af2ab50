/**
 * Methods that learn, trained on a small network and coloured images:
 * the loss falls, a killed run resumes to the same bits, and the result is a folder.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { evaluateModel } from '../../src/evaluation/evaluate.ts';
import { loadModel } from '../../src/loading/load-model.ts';
import { buildMethod, parseMethod } from '../../src/reduction/methods/registry.ts';
import type { NamedMethod } from '../../src/reduction/methods/registry.ts';
import { AdamW } from '../../src/training/adamw.ts';
import { recipes } from '../../src/training/recipe.ts';
import type { TrainingRecipe } from '../../src/training/recipe.ts';
import { train } from '../../src/training/train.ts';
import { writeTrainedModel } from '../../src/training/trained-model.ts';
import { bringBack, vectorOf } from '../../src/training/trained-parameters.ts';
import type { TrainingOptions, TrainingOutcome } from '../../src/training/training-options.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { narrowSizes, smallModel } from '../small-networks.ts';

const methods = ['dynamicvit:keep=0.5', 'spvit:keep=0.7/0.4/0.2', 'evovit:keep=0.5', 'ltmp:target=0.6', 'dtem:r=5'];

let directory = '';
let folder: ImageSource;
const outcomes = new Map<string, TrainingOutcome>();
/** Loss of each step. */
const losses = new Map<string, number[]>();

const recipe: TrainingRecipe = {
  ...recipes['finetune-small-data'],
  batchSize: 8,
  microBatchSize: 4,
  epochs: 6,
  learningRate: 1e-3,
  dropPath: 0.1,
};

/** An embedding moves answers so little that noise would hide what it learns in six epochs. */
const recipeOf = (text: string): TrainingRecipe =>
  text.startsWith('dtem') ? { ...recipe, learningRate: 3e-5, dropPath: 0, augmentation: {} } : recipe;

const start = smallModel(narrowSizes);
const { network, preprocessing } = start;
const build = (text: string): NamedMethod => buildMethod(parseMethod(text), network);

const options = (text: string, changes: Partial<TrainingOptions> = {}): TrainingOptions => ({
  name: 'small',
  network,
  preprocessing,
  start,
  method: build(text),
  recipe: recipeOf(text),
  images: folder,
  seed: 3,
  threads: 1,
  resume: false,
  ...changes,
});

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-learned-'));
  mkdirSync(join(directory, 'images'));
  await writeRandomImages(join(directory, 'images'), 24);
  folder = await openImageFolder(join(directory, 'images'));
  for (const text of methods) {
    const means: number[] = [];
    outcomes.set(text, await train(options(text, { evaluation: folder }), ({ loss }) => means.push(loss)));
    losses.set(text, singleLosses(means));
  }
}, 240_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** What running means with a weight of 0.02 were made of. */
function singleLosses(means: readonly number[]): number[] {
  return means.map((mean, step) => {
    const before = means[step - 1] ?? mean;
    return before + (mean - before) / 0.02;
  });
}

const outcomeOf = (text: string): TrainingOutcome => outcomes.get(text) as TrainingOutcome;

describe.each(methods)('%s', (text) => {
  it('learns, without labels', () => {
    const { rows } = outcomeOf(text);
    // Three steps are an epoch: the same images.
    const epochs = [0, -3].map((first) => (losses.get(text) ?? []).slice(first, first + 3 || undefined));
    const [before = 0, after = 0] = epochs.map((epoch) => epoch.reduce((sum, loss) => sum + loss, 0));
    expect(after).toBeLessThan(before);
    const divergences = rows.flatMap(({ kl }) => (typeof kl === 'number' ? [kl] : []));
    expect(divergences).toHaveLength(6);
  });

  it('that was killed resumes to the same weights, to the bit', async () => {
    const checkpoint = join(directory, 'run.checkpoint.safetensors');
    const copy = join(directory, 'copy.checkpoint.safetensors');
    const short = { ...recipeOf(text), steps: 5 };
    const whole = await train(options(text, { recipe: short, checkpoint, checkpointSeconds: 0 }), ({ step }) => {
      if (step === 3) copyFileSync(checkpoint, copy);
    });
    const resumed = await train(options(text, { recipe: short, checkpoint: copy, resume: true }));
    expect(Buffer.from(resumed.weights.buffer).equals(Buffer.from(whole.weights.buffer))).toBe(true);
    await expect(
      train(options(text, { recipe: short, checkpoint: copy, resume: true, method: build('dynamicvit:keep=0.9') })),
    ).rejects.toThrow(/belongs to another training/);
  });

  it('is a folder that remembers it, and evaluates as the training said', async () => {
    const { layout, weights, rows, evaluation } = outcomeOf(text);
    const out = join(directory, 'trained');
    await writeTrainedModel({
      directory: out,
      name: 'small',
      network,
      preprocessing,
      labels: undefined,
      layout,
      weights,
      dtype: 'fp32',
      rows,
      method: text,
    });
    const model = await loadModel(out);
    expect(model.trainedMethod).toBe(text);
    expect(model.warnings).toEqual([]);
    expect(vectorOf(layout, model.parameters)).toEqual(weights);
    // All weights of the network are there; only those that a method trains have moved.
    const before = vectorOf(layout, start.parameters, weights);
    const moved = layout.parameters.filter(({ offset, length }) =>
      weights.subarray(offset, offset + length).some((value, index) => value !== before[offset + index]),
    );
    expect(moved.length > 0).toBe(build(text).learned?.trainsNetwork);
    const { reducer } = build(text);
    const evaluated = await evaluateModel(model, { images: folder, reducer, reference: start });
    expect(evaluated.kl).toBeGreaterThan(0);
    expect(evaluated.kl).toBeCloseTo(evaluation?.kl ?? Number.NaN, 5);
  });
});

describe('training of a method', () => {
  it('refuses what does not go together', async () => {
    const [text = ''] = methods;
    await expect(train(options(text, { method: build('tome:r=2') }))).rejects.toThrow(/tome:r=2 has nothing to train/);
    const schedule = { pruneKept: [17, 17, 17, 17], mergeKept: [17, 17, 17, 17] };
    await expect(train(options(text, { schedule }))).rejects.toThrow(/without a schedule/);
    await expect(train(options(text, { recipe: { ...recipe, patchDropout: 0.5 } }))).rejects.toThrow(/patch dropout/);
    const encoder = smallModel({ ...narrowSizes, classes: 0 });
    await expect(train(options(text, { network: encoder.network, start: encoder }))).rejects.toThrow(
      /use a classifier/,
    );
  });

  it('moves parameters by their own multiples of the learning rate, weight decay included', () => {
    const parameter = { name: 'a', shape: [1], length: 1, decays: true };
    const layout = {
      parameters: [
        { ...parameter, offset: 0, learningRateFactor: 1 },
        { ...parameter, offset: 1, learningRateFactor: 50 },
      ],
      length: 2,
    };
    const weights = Float32Array.of(1, 1);
    new AdamW(layout, { weightDecay: 0.1 }).update(weights, Float32Array.of(0.3, 0.3), 1e-3);
    // The first step of Adam is the learning rate itself.
    expect(weights[0]).toBeCloseTo(1 - 1e-3 - 1e-4, 6);
    expect(weights[1]).toBeCloseTo(1 - 50 * (1e-3 + 1e-4), 6);
  });

  it('brings back what leaves its range', () => {
    const parameter = { name: 'a', shape: [3], offset: 1, length: 3, decays: false, learningRateFactor: 1 };
    const vector = Float32Array.of(-5, -1, 0.5, 2);
    bringBack({ parameters: [{ ...parameter, range: [0, 1] }], length: 4 }, vector);
    expect([...vector]).toEqual([-5, 0, 0.5, 1]);
  });
});
