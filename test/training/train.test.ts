/**
 * Whole runs on a small network and coloured images: the loss falls,
 * a stopped run resumes to the same bits, bad input is answered.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../src/checkpoints/safetensors-file.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { exportModel } from '../../src/exporting/export-model.ts';
import { readScheduleFile } from '../../src/exporting/schedule-file.ts';
import { countFlops } from '../../src/cost/flops.ts';
import type { Network } from '../../src/networks/network.ts';
import { validateSchedule } from '../../src/reduction/validate-schedule.ts';
import { loadModel } from '../../src/loading/load-model.ts';
import { recipes } from '../../src/training/recipe.ts';
import type { TrainingRecipe } from '../../src/training/recipe.ts';
import { checkTrainedModelDirectory, writeTrainedModel } from '../../src/training/trained-model.ts';
import { vectorOf } from '../../src/training/trained-parameters.ts';
import { train } from '../../src/training/train.ts';
import type { TrainingOptions, TrainingProgress } from '../../src/training/training-options.ts';
import { narrowSizes, smallModel, smallNetwork } from '../small-networks.ts';

const { network, preprocessing } = smallModel(narrowSizes);
const { classes } = narrowSizes;
let directory = '';
let folder: ImageSource;

/** A recipe with everything that is random in it. */
const recipe: TrainingRecipe = {
  ...recipes.scratch,
  batchSize: 8,
  microBatchSize: 4,
  epochs: 1.5,
  learningRate: 2e-3,
  finalLearningRate: 1e-4,
  warmUpEpochs: 0.2,
  dropPath: 0.2,
  clipNorm: 1,
  averageDecay: 0.9,
};

/** A recipe that learns quickly. */
const plainRecipe: TrainingRecipe = {
  ...recipe,
  batchSize: 14,
  microBatchSize: 14,
  epochs: 12,
  dropPath: 0,
  averageDecay: 0,
  labelSmoothing: 0,
  mixing: { mixup: 0, cutmix: 0 },
  augmentation: {},
  repeatedAugmentation: 1,
};

const options = (changes: Partial<TrainingOptions> = {}): TrainingOptions => ({
  name: 'small',
  network,
  preprocessing,
  recipe,
  images: folder,
  seed: 3,
  threads: 1,
  resume: false,
  ...changes,
});

/** A network without its functions. */
const sizesOf = (described: Network): unknown => JSON.parse(JSON.stringify(described));

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-training-'));
  const images = join(directory, 'images');
  mkdirSync(images);
  const lines = ['file,label'];
  for (let image = 0; image < 28; image++) {
    const label = image % classes;
    const file = `${String(image).padStart(2, '0')}.png`;
    const shade = (channel: number): number => ((label >> channel) & 1) * 180 + 20 + ((image * 7 + channel * 3) % 30);
    const background = { r: shade(0), g: shade(1), b: shade(2) };
    await sharp({ create: { width: 36, height: 36, channels: 3, background } })
      .png()
      .toFile(join(images, file));
    lines.push(`${file},${label}`);
  }
  writeFileSync(join(images, 'labels.csv'), lines.join('\n'));
  folder = await openImageFolder(images);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('training', () => {
  it.each([
    ['from scratch', {}],
    ['with tokens dropped', { schedule: { pruneKept: [17, 14, 10, 6], mergeKept: [17, 12, 8, 3] } }],
    ['in micro-batches', { recipe: { ...plainRecipe, microBatchSize: 7 } }],
  ])('%s learns the colours', async (_, changes) => {
    const { rows, loss } = await train(options({ recipe: plainRecipe, ...changes }));
    expect(rows[0]?.loss).toBeGreaterThan(1.5);
    expect(loss).toBeLessThan((rows[0]?.loss ?? 0) - 0.1);
  });

  it('is evaluated after each epoch', async () => {
    const { rows, evaluation } = await train(options({ recipe: { ...plainRecipe, epochs: 3 }, evaluation: folder }));
    expect(evaluation?.top1).toBeGreaterThan(100 / classes);
    expect(rows.filter(({ top1 }) => typeof top1 === 'number').map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(rows.at(-1)?.top1).toBe(evaluation?.top1);
    const rare = { ...plainRecipe, epochs: 3, evaluationEpochs: 2 };
    const { rows: fewer } = await train(options({ recipe: rare, evaluation: folder }));
    expect(fewer.filter(({ top1 }) => typeof top1 === 'number').map(({ epoch }) => epoch)).toEqual([2, 3]);
    // Steps longer than an epoch pass by its end.
    const long = { ...rare, batchSize: 42, epochs: 6 };
    const { rows: passed } = await train(options({ recipe: long, evaluation: folder }));
    expect(passed.filter(({ top1 }) => typeof top1 === 'number').map(({ step }) => step)).toEqual([2, 3, 4]);
  });

  it('does not warm up to a rate below the one that it ends with', async () => {
    const low = { ...plainRecipe, epochs: 2, learningRate: 1e-6, finalLearningRate: 1e-4, warmUpEpochs: 0 };
    const { rows } = await train(options({ recipe: low }));
    expect(rows.every(({ learningRate }) => learningRate <= 1e-6)).toBe(true);
  });

  it('tells once of an image that it cannot be evaluated on, and ends there where it is to be strict', async () => {
    const images = join(directory, 'damaged');
    mkdirSync(images);
    copyFileSync(join(directory, 'images', '00.png'), join(images, '00.png'));
    writeFileSync(join(images, '01.png'), 'no image');
    const evaluation = await openImageFolder(images);
    const warnings: string[] = [];
    const changes = { recipe: { ...plainRecipe, epochs: 2 }, start: smallModel(narrowSizes), evaluation };
    await train(options({ ...changes, onWarning: (message) => warnings.push(message) }));
    expect(warnings).toEqual([expect.stringContaining("'01.png'")]);
    await expect(train(options({ ...changes, strict: true }))).rejects.toThrow(/Cannot decode the image '01\.png'/);
  });

  it('towards the uncompressed network’s answers brings a compressed one nearer, without labels', async () => {
    const unlabelled = { ...folder, labelled: false, images: folder.images.map(({ file }) => ({ file })) };
    const { rows } = await train(
      options({
        start: smallModel(narrowSizes),
        schedule: { pruneKept: [17, 9, 6, 4], mergeKept: [17, 7, 4, 2] },
        recipe: { ...recipes['finetune-small-data'], batchSize: 7, epochs: 6, learningRate: 1e-3 },
        images: unlabelled,
        evaluation: unlabelled,
      }),
    );
    const divergences = rows.flatMap(({ kl }) => (typeof kl === 'number' ? [kl] : []));
    expect(divergences.at(-1)).toBeLessThan(0.8 * (divergences[0] ?? 0));
  });
});

describe('training of a network that is no classifier', () => {
  const schedule = { pruneKept: [17, 9, 6, 4], mergeKept: [17, 7, 4, 2] };

  it.each([
    ['features', { classes: 0 }, 'featureDistance'],
    ['labels', { problem: 'labels' }, 'multiLabelDivergence'],
    ['a number', { classes: 1 }, 'regressionError'],
  ] as const)('(%s) brings a compressed one nearer to the uncompressed one', async (_, sizes, objective) => {
    const start = smallModel({ ...narrowSizes, ...sizes });
    const log = join(directory, `${objective}.csv`);
    const { rows, evaluation } = await train(
      options({
        network: start.network,
        start,
        schedule,
        recipe: { ...recipes['finetune-small-data'], batchSize: 7, epochs: 6, learningRate: 1e-3 },
        evaluation: folder,
        log,
      }),
    );
    const distances = rows.flatMap((row) => (typeof row.objective === 'number' ? [row.objective] : []));
    expect(distances).toHaveLength(6);
    expect(distances.at(-1)).toBeLessThan(0.9 * (distances[0] ?? 0));
    expect(evaluation).toMatchObject({ top1: null, kl: null, objective: { name: objective, value: distances.at(-1) } });
    const [head = '', ...lines] = readFileSync(log, 'utf8').trimEnd().split('\n');
    expect(head.endsWith(',eval_objective')).toBe(true);
    expect(Number(lines.at(-1)?.split(',').at(-1))).toBeCloseTo(distances.at(-1) ?? Number.NaN, 4);
  });

  it('leaves alone what its answer does not depend on', async () => {
    const start = smallModel({ ...narrowSizes, classes: 0 });
    const { layout, weights } = await train(
      options({
        network: start.network,
        start,
        recipe: { ...recipes['finetune-small-data'], batchSize: 7, steps: 3, learningRate: 1e-2, weightDecay: 0.5 },
      }),
    );
    const before = vectorOf(layout, start.parameters);
    const moved = layout.parameters.filter(({ offset, length }) =>
      weights.subarray(offset, offset + length).some((value, index) => value !== before[offset + index]),
    );
    const still = layout.parameters.filter((parameter) => !moved.includes(parameter)).map(({ name }) => name);
    expect(still.sort()).toEqual(['pooler.dense.bias', 'pooler.dense.weight']);
  });
});

describe('a training run that was killed', () => {
  it('resumes to the same weights, to the bit', async () => {
    const whole = await train(options());
    const checkpoint = join(directory, 'run.checkpoint.safetensors');
    const copy = join(directory, 'copy.checkpoint.safetensors');
    // As if killed: what was written after the third step is all that is left.
    let seen = 0;
    await train(options({ checkpoint, checkpointSeconds: 0 }), ({ step }: TrainingProgress) => {
      seen = step;
      if (step === 4) copyFileSync(checkpoint, copy);
    });
    expect(seen).toBe(whole.steps);
    const resumed = await train(options({ checkpoint: copy, resume: true }));
    expect(resumed.steps).toBe(whole.steps);
    expect(Buffer.from(resumed.weights.buffer).equals(Buffer.from(whole.weights.buffer))).toBe(true);
    expect(resumed.rows.map(({ step, loss }) => [step, loss])).toEqual(
      whole.rows.map(({ step, loss }) => [step, loss]),
    );
  });

  it('resumes in the stage of patch dropout that it was in', async () => {
    const patchDropout = [
      { rate: 0.75, until: 0.4 },
      { rate: 0.5, until: 0.8 },
      { rate: 0, until: 1 },
    ];
    const staged = options({ recipe: { ...recipe, patchDropout } });
    const whole = await train(staged);
    for (const killedAt of [1, 2, 4]) {
      const checkpoint = join(directory, `staged-${killedAt}.checkpoint.safetensors`);
      const controller = new AbortController();
      const run = train({ ...staged, checkpoint, signal: controller.signal }, ({ step }) => {
        if (step === killedAt) controller.abort();
      });
      await expect(run).rejects.toThrow(/stopped after step/);
      const resumed = await train({ ...staged, checkpoint, resume: true });
      expect(Buffer.from(resumed.weights.buffer).equals(Buffer.from(whole.weights.buffer))).toBe(true);
    }
    const other = await train(options({ recipe: { ...recipe, patchDropout: 0.75 } }));
    expect(Buffer.from(other.weights.buffer).equals(Buffer.from(whole.weights.buffer))).toBe(false);
  });

  it('stops when asked to, with a checkpoint, and says how to go on', async () => {
    const controller = new AbortController();
    const checkpoint = join(directory, 'stopped.checkpoint.safetensors');
    const run = train(options({ checkpoint, signal: controller.signal }), ({ step }) => {
      if (step === 2) controller.abort();
    });
    await expect(run).rejects.toThrow(/stopped after step [23] of \d+; continue it with `resume`/);
    expect(existsSync(checkpoint)).toBe(true);
  });

  it('is not continued with other settings, or from a damaged file', async () => {
    const checkpoint = join(directory, 'stopped.checkpoint.safetensors');
    const others: Partial<TrainingOptions>[] = [
      { seed: 4 },
      { start: smallModel(narrowSizes, 2) },
      { images: { ...folder, identity: () => Promise.resolve('elsewhere') } },
    ];
    for (const other of others)
      await expect(train(options({ checkpoint, resume: true, ...other }))).rejects.toThrow(
        /belongs to another training/,
      );
    writeFileSync(checkpoint, 'no checkpoint');
    await expect(train(options({ checkpoint, resume: true }))).rejects.toThrow(/is damaged .*without `resume`/);
  });
});

describe('a training run that cannot go on', () => {
  it('stops where the loss is no number, and keeps the last good checkpoint', async () => {
    const checkpoint = join(directory, 'diverged.checkpoint.safetensors');
    const wild = { ...plainRecipe, learningRate: 1e30, finalLearningRate: 1e30, warmUpEpochs: 0, weightDecay: 1e30 };
    await expect(train(options({ recipe: wild, checkpoint, checkpointSeconds: 0 }))).rejects.toThrow(
      /of step \d+ is not a finite number: train with a lower learning rate/,
    );
    expect(existsSync(checkpoint)).toBe(false);
  });

  it('says what is missing', async () => {
    const { evidence: _, ...unlabelled } = { ...folder, labelled: false };
    await expect(train(options({ images: unlabelled }))).rejects.toThrow(/has no labels.*: to train on labels add/);
    await expect(train(options({ recipe: { ...recipe, targets: 'teacher' } }))).rejects.toThrow(/no teacher/);
    const encoder = smallNetwork({ ...narrowSizes, classes: 0 });
    await expect(train(options({ network: encoder }))).rejects.toThrow(/Labels are no targets of featureDistance/);
    const fewer = smallNetwork({ ...narrowSizes, classes: 3 });
    await expect(train(options({ network: fewer }))).rejects.toThrow(/label 3 .* out of range/);
    const short = { pruneKept: [17, 14, 10], mergeKept: [17, 12, 8] };
    await expect(train(options({ schedule: short }))).rejects.toThrow(/for 3 blocks but the network has 4/);
    const wrong = { ...folder, images: [{ file: '00.png', label: 7 }] };
    await expect(train(options({ evaluation: wrong }))).rejects.toThrow(/label 7 of '00\.png' .* out of range/);
    const log = join(directory, 'unwanted.csv');
    const augmentation = { randAugment: { ...recipes.scratch.augmentation.randAugment, magnitude: 11 } };
    await expect(
      train(options({ log, recipe: { ...recipe, augmentation: augmentation as typeof recipe.augmentation } })),
    ).rejects.toThrow(/magnitude/);
    expect(existsSync(log)).toBe(false);
    await expect(train(options({ log: join(directory, 'nowhere', 'log.csv') }))).rejects.toThrow(/cannot be written/);
  });
});

describe('a trained model', () => {
  it.each([
    ['class-token', 'fp32'],
    ['mean', 'fp16'],
  ] as const)('(%s, %s) is a folder that loads and exports', async (pool, dtype) => {
    const trained = smallNetwork({ ...narrowSizes, pool });
    const log = join(directory, 'training.csv');
    const { layout, weights, rows } = await train(
      options({ network: trained, recipe: { ...recipe, steps: 2 }, log, evaluation: folder }),
    );
    const out = join(directory, `trained-${pool}`);
    const labels = Object.fromEntries(Array.from({ length: classes }, (_, index) => [index, `colour ${index}`]));
    const files = await writeTrainedModel({
      directory: out,
      name: 'small',
      network: trained,
      preprocessing,
      labels,
      layout,
      weights,
      dtype,
      rows,
    });
    expect(files.map(({ path }) => path)).toContain('training.csv');
    // Python's `from_pretrained` looks for the names that belong to `model_type`.
    const { model_type: type } = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as { model_type: string };
    const stored = [...(await readSafetensors(join(out, 'model.safetensors'))).keys()];
    expect(stored).toContain(type === 'vit' ? 'vit.encoder.layer.0.layernorm_before.bias' : 'blocks.0.norm1.bias');
    expect(readFileSync(join(out, 'training.csv'), 'utf8')).toBe(readFileSync(log, 'utf8'));
    const model = await loadModel(out);
    expect(sizesOf(model.network)).toEqual(sizesOf(trained));
    expect(model.preprocessing).toEqual(preprocessing);
    expect(model.labels).toEqual(labels);
    expect(model.warnings).toEqual([]);
    const loaded = vectorOf(layout, model.parameters);
    const error = loaded.reduce((most, value, at) => Math.max(most, Math.abs(value - (weights[at] ?? 0))), 0);
    expect(error).toBeLessThanOrEqual(dtype === 'fp32' ? 0 : 1e-3);
    const exported = await exportModel({ model, directory: join(directory, `exported-${pool}`) });
    expect(exported.files.map(({ path }) => path)).toContain('onnx/model.onnx');
    // Neither takes the place of the other.
    await expect(exportModel({ model, directory: out })).rejects.toThrow(/holds a trained network/);
    await expect(checkTrainedModelDirectory(exported.directory)).rejects.toThrow(/holds an exported network/);
  });

  it('has a schedule that commands take, whatever it was trained with', async () => {
    const rising = {
      model: 'other',
      inputSize: 32,
      pruneKept: [17, 15, 17, 8],
      mergeKept: [17, 12, 14, 4],
      merging: 'patches',
      gflops: 9,
      target: null,
      createdBy: 'a test',
    } as const;
    const { layout, weights, rows } = await train(options({ recipe: { ...recipe, steps: 1 }, schedule: rising }));
    const out = join(directory, 'with-schedule');
    const model = { name: 'small', network, preprocessing, labels: undefined, dtype: 'fp32' as const };
    await writeTrainedModel({ ...model, directory: out, layout, weights, rows, schedule: rising });
    const written = await readScheduleFile(join(out, 'schedule.json'));
    expect(written).toMatchObject({
      model: 'with-schedule',
      pruneKept: [17, 15, 12, 8],
      mergeKept: [17, 12, 12, 4],
      merging: 'patches',
    });
    expect(written.gflops).toBeCloseTo(countFlops(network, rising).total / 1e9, 8);
    expect(() => validateSchedule(written, network)).not.toThrow();
  });
});
