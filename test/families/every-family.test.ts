/**
 * Every family of the tests goes through everything: loading, search, front, schedule file, export,
 * evaluation, pictures, timing, report. Each stands for networks that diffrate does not have yet:
 * oblong inputs, many prefix tokens or none, no head, one output, a span.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../src/checkpoints/safetensors-file.ts';
import { flopsCost } from '../../src/cost/flops-cost.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { evaluateVariants } from '../../src/evaluation/evaluate.ts';
import { measureThroughput } from '../../src/evaluation/throughput.ts';
import { NetworkSession, pixelCount } from '../../src/execution/network-session.ts';
import { exportModel } from '../../src/exporting/export-model.ts';
import { preprocessorConfiguration } from '../../src/exporting/model-configuration.ts';
import { readScheduleFile, writeScheduleFile } from '../../src/exporting/schedule-file.ts';
import { loadModel } from '../../src/loading/load-model.ts';
import type { LoadedModel } from '../../src/loading/model-from-files.ts';
import { namedShape } from '../../src/networks/model.ts';
import { objectiveFor } from '../../src/objectives/registry.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { effectiveTokens } from '../../src/reduction/schedule.ts';
import type { Schedule } from '../../src/reduction/schedule.ts';
import { searchSpace } from '../../src/reduction/search-space.ts';
import { smallestKept, tokenCount } from '../../src/reduction/token-layout.ts';
import { validateSchedule } from '../../src/reduction/validate-schedule.ts';
import { compressionReport } from '../../src/report/report.ts';
import { reportPage } from '../../src/report/page.ts';
import { drawPictures } from '../../src/report/picture-series.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { searchFront } from '../../src/search/front/front.ts';
import type { SearchOptions, SearchOutcome } from '../../src/search/search-options.ts';
import { searchSchedule } from '../../src/search/search.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { smallPreprocessing, smallWeights } from '../small-networks.ts';
import { absoluteDifference } from './absolute-difference.ts';
import { testFamilies } from './families.ts';
import { staircaseCost } from './staircase-cost.ts';

let root = '';
let folder: ImageSource;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'diffrate-families-'));
  await writeRandomImages(join(root, 'images'), 16);
  folder = await openImageFolder(join(root, 'images'));
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

describe.each(testFamilies)('$family.title', ({ family, network }) => {
  let model: LoadedModel;
  let found: SearchOutcome;
  let options: Omit<SearchOptions, 'target'>;

  beforeAll(async () => {
    const directory = join(root, family.title.replaceAll(' ', '-'));
    mkdirSync(directory, { recursive: true });
    const { resize, crop, ...rest } = smallPreprocessing(network);
    await writeSafetensors(join(directory, 'model.safetensors'), smallWeights(network));
    writeFileSync(join(directory, 'config.json'), JSON.stringify(network.hubConfiguration(() => true)));
    const processor = preprocessorConfiguration({ resize, crop, ...rest });
    writeFileSync(join(directory, 'preprocessor_config.json'), JSON.stringify(processor));
    model = await loadModel(directory, { families: [family] });
    options = {
      model,
      images: folder,
      preset: 'small-data',
      steps: 8,
      batchSize: 6,
      seed: 1,
      threads: 1,
      runtime: nodeRuntime,
    };
    found = await searchSchedule({ ...options, target: { ratio: 0.85 } });
  });

  it('loads from a folder', () => {
    expect(model.network).toBe(network);
    expect(model.preprocessing.crop).toEqual({ height: network.input.height, width: network.input.width });
  });

  it('is searched to its target', () => {
    const { schedule } = found;
    const shape = namedShape(network, model.name);
    const cost = flopsCost(network);
    expect(validateSchedule(schedule, shape)).toEqual([]);
    expect(cost.value(schedule)).toBeLessThanOrEqual(0.85 * cost.baseline + 1e-9);
    // A token more anywhere would cost too much.
    expect(cost.value(schedule)).toBeGreaterThan(0.8 * cost.baseline);
    const blocks = effectiveTokens(schedule, tokenCount(network.layout));
    if (network.mergeOnly) expect(blocks.every(({ tokensIn, pruneKept }) => tokensIn === pruneKept)).toBe(true);
    const { searched } = searchSpace(shape);
    for (const block of searched) expect(blocks[block]?.tokensOut).toBeGreaterThanOrEqual(smallestKept(network.layout));
  });

  it('gives the same schedule for the same seed', async () => {
    const again = await searchSchedule({ ...options, target: { ratio: 0.85 } });
    expect(again.schedule).toEqual(found.schedule);
  });

  it('is searched as published', async () => {
    const paper = await searchSchedule({
      ...options,
      preset: 'paper',
      targets: 'teacher',
      changes: { mixing: { mixup: 0, cutmix: 0 } },
      steps: 3,
      target: { ratio: 0.85 },
    });
    expect(validateSchedule(paper.schedule, namedShape(network, model.name))).toEqual([]);
  });

  it('is searched under a cost with a unit of its own, by an objective of its own', async () => {
    const cost = staircaseCost(network);
    const { min, max } = cost.reachable(searchSpace(network));
    const value = Math.ceil((min + max) / 2);
    const objective = absoluteDifference(network.answers.size);
    const { schedule, history, unit } = await searchSchedule({
      ...options,
      cost,
      objective,
      target: { value, unit: 'tiles' },
    });
    expect(unit).toBe('tiles');
    expect(cost.value(schedule)).toBeLessThanOrEqual(value);
    expect(schedule.cost).toEqual({ unit: 'tiles', value: cost.value(schedule), target: value });
    expect(history.at(-1)?.cost).toBe(cost.value(schedule));
    const file = join(root, `${model.name}-tiles.json`);
    await writeScheduleFile(file, schedule);
    expect(await readScheduleFile(file)).toEqual(schedule);
    const [, compressed] = await evaluateVariants(model, [{}, { schedule }], { images: folder, threads: 1, objective });
    expect(compressed?.objective).toMatchObject({ name: 'absoluteDifference', unit: 'as answered' });
    expect(compressed?.objective?.value).toBeGreaterThan(0);
    await expect(searchSchedule({ ...options, cost, target: { value: 1, unit: 'GFLOPs' } })).rejects.toThrow(
      /target is 1 GFLOPs but the cost of this search is in tiles/,
    );
    await expect(searchSchedule({ ...options, cost, target: { value: 1e6, unit: 'tiles' } })).rejects.toThrow(
      /choose a target from .* tiles/,
    );
  });

  it('has a front', async () => {
    const { points, unit, baseline } = await searchFront({ ...options, front: { from: 0.9, to: 0.8, points: 3 } });
    expect(unit).toBe('GFLOPs');
    expect(points.map(({ ratio }) => ratio)).toEqual([0.9, 0.85, 0.8]);
    for (const { ratio, schedule } of points) {
      expect(validateSchedule(schedule, namedShape(network, model.name))).toEqual([]);
      expect(flopsCost(network).value(schedule)).toBeLessThanOrEqual(ratio * baseline * (1 + 1e-5));
    }
  });

  it('is exported and evaluated: the file answers as the evaluated network does', async () => {
    const { schedule } = found;
    const directory = join(root, `${model.name}-exported`);
    const exported = await exportModel({ model, schedule, directory });
    expect(exported.schedule?.pruneKept).toEqual(schedule.pruneKept);
    const [plain, compressed] = await evaluateVariants(model, [{}, { schedule }], { images: folder, threads: 1 });
    const { name } = objectiveFor(network.answers);
    expect(plain?.objective).toMatchObject({ name, value: 0 });
    expect(compressed?.objective?.value).toBeGreaterThan(0);
    expect(compressed?.gflops).toBeCloseTo(schedule.gflops ?? 0, 5);
    const session = await NetworkSession.load(model, {
      runtime: nodeRuntime,
      reducer: diffRate(schedule, network),
      threads: 1,
    });
    const pixels = Float32Array.from({ length: 2 * pixelCount(network.input) }, (_, index) => Math.sin(index));
    const wanted = await session.run(pixels);
    await session.dispose();
    const file = await InferenceSession.create(join(directory, 'onnx', 'model.onnx'));
    const { channels, height, width } = network.input;
    const outputs = await file.run({ pixel_values: new Tensor('float32', pixels, [2, channels, height, width]) });
    expect(Array.from(outputs[network.answerOutput]?.data as Float32Array)).toEqual(Array.from(wanted));
    await file.release();
  });

  it('is drawn, timed and reported', async () => {
    const { schedule } = found;
    const blocks = [1, network.depth];
    const pictures = await drawPictures({
      network: model,
      reducer: diffRate(schedule, network),
      source: folder,
      images: folder.images.slice(0, 1),
      blocks,
    });
    const [rows, columns] = network.layout.grid;
    expect(pictures[0]?.counts).toHaveLength(network.depth);
    const last = pictures[0]?.counts.at(-1);
    expect((last?.untouched ?? 0) + (last?.mergedPatches ?? 0) + (last?.prunedPatches ?? 0)).toBe(rows * columns);
    const runs = await measureThroughput(model, { schedule, batches: [2], rounds: 1, warmUp: 0, threads: 1 });
    expect(runs[0]?.flopsRatio).toBeGreaterThan(1);
    const [before, after] = await evaluateVariants(model, [{}, { schedule }], { images: folder, threads: 1 });
    if (before === undefined || after === undefined) throw new Error('two variants have two results');
    const objective = objectiveFor(network.answers);
    const page = await compressionReport({
      model: model.name,
      network,
      schedule,
      target: { value: schedule.gflops ?? 0, unit: 'GFLOPs' },
      measurements: {
        gflops: { before: 1, after: 0.85, realBefore: 1, realAfter: 0.85 },
        evaluation: { before, after },
        runs,
      },
      history: found.history,
      pictures,
      provenance: { facts: [], command: 'none' },
    });
    expect(reportPage(page)).toContain(objective.title);
  });

  it('refuses a schedule of another layout or another length', () => {
    const { schedule } = found;
    const shape = namedShape(network, model.name);
    const shorter: Schedule = {
      ...schedule,
      pruneKept: schedule.pruneKept.slice(1),
      mergeKept: schedule.mergeKept.slice(1),
    };
    expect(() => validateSchedule(shorter, shape)).toThrow(/blocks/);
    expect(() => validateSchedule({ ...schedule, inputSize: 224 }, shape)).toThrow(/224×224/);
  });

  it('refuses an objective that its answers do not fit', () => {
    expect(() => objectiveFor(network.answers, { name: 'classDivergence' })).toThrow(/classDivergence/);
  });
});
