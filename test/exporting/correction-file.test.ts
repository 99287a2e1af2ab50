/**
 * Corrections on disk: read back as written, folded into exported files, and refused where they do
 * not belong.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSafetensors } from '../../src/checkpoints/safetensors.ts';
import { float32Tensor } from '../../src/checkpoints/weights.ts';
import type { Weights } from '../../src/checkpoints/weights.ts';
import { NetworkSession, pixelCount } from '../../src/execution/network-session.ts';
import type { BuiltNetwork } from '../../src/execution/network-session.ts';
import { scheduleFingerprint, weightsFingerprint } from '../../src/execution/fingerprints.ts';
import {
  correctedModel,
  correctionPath,
  readCorrectionFile,
  writeCorrectionFile,
} from '../../src/exporting/correction-file.ts';
import type { Correction } from '../../src/exporting/correction-file.ts';
import { exportModel } from '../../src/exporting/export-model.ts';
import { readOnnxFile } from '../../src/exporting/read-onnx-file.ts';
import { constantFloats } from '../../src/graph/tensor.ts';
import type { OnnxFile } from '../../src/onnx/onnx-file.ts';
import { decodeModel } from '../../src/onnx/read.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { effectiveSchedule } from '../../src/reduction/schedule.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { model, schedule } from '../correction/small-correction.ts';
import { randomModel, randomValues } from '../random-network.ts';
import { narrowSizes, smallModel } from '../small-networks.ts';

let directory = '';
let correction: Correction;
const norm = 'blocks.1.norm1.weight';
const bias = 'head.bias';
const parameters: Weights = new Map([
  [norm, float32Tensor(norm, [24], randomValues(24, 1))],
  [bias, float32Tensor(bias, [7], randomValues(7, 2))],
]);
const figures = {
  objective: 'classDivergence',
  unit: 'nats',
  before: 0.02,
  after: 0.016,
  heldOutImages: 12,
  trainingImages: 48,
  steps: 30,
};

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-correction-'));
  const [weights, ofSchedule] = [await weightsFingerprint(model), await scheduleFingerprint(schedule, model.network)];
  correction = { parameters, weights, schedule: ofSchedule, figures };
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('a correction’s file', () => {
  it('lies beside its schedule, and is read back as it was written', async () => {
    const path = correctionPath(join(directory, 'schedule.json'));
    expect(path).toBe(join(directory, 'correction.safetensors'));
    await writeCorrectionFile(path, correction);
    const { parameters: found, ...rest } = await readCorrectionFile(path);
    expect(rest).toEqual({ weights: correction.weights, schedule: correction.schedule, figures });
    expect([...found.keys()].sort()).toEqual([norm, bias].sort());
    const corrected = await correctedModel(model, schedule, { ...rest, parameters: found }, path);
    expect(constantFloats(corrected.parameters.tensor(norm, [24]))).toEqual(randomValues(24, 1));
    expect(corrected.parameters.tensor('norm.weight', [24])).toBe(model.parameters.tensor('norm.weight', [24]));
  });

  it('belongs to a schedule whatever it is called, and wherever numbers remove nothing', async () => {
    const same = { ...schedule, model: 'another name', gflops: 1, pruneKept: [200, 12, 8, 5] };
    await correctedModel(model, same, correction);
    await correctedModel(model, effectiveSchedule(same, 17), correction);
  });

  it.each([
    [
      'of other weights',
      () => correctedModel(smallModel(narrowSizes, 2), schedule, correction),
      /other weights than those of small/,
    ],
    [
      'for other kept numbers',
      () => correctedModel(model, { ...schedule, mergeKept: [14, 9, 5, 4] }, correction),
      /another schedule/,
    ],
    [
      'for another way to merge',
      () => correctedModel(model, { ...schedule, merging: 'count' }, correction),
      /another schedule/,
    ],
    ['with a name that is not the network’s', () => changed('other.bias', [7]), /has no parameter "other.bias"/],
    ['with another shape', () => changed(bias, [8]), /"head\.bias" is float32 \[8\] where small-vit has float32 \[7\]/],
    [
      'with a value that is not finite',
      () => changed(bias, [7], Number.NaN),
      /"head\.bias" has a value that is no finite/,
    ],
  ])('%s is refused', async (_, apply, sentence) => {
    await expect(apply()).rejects.toThrow(sentence);
    await expect(apply()).rejects.toThrow('make one with `correctSchedule`, or leave it out with `correct: false`');
  });

  it('that is damaged or none at all is refused', async () => {
    const path = join(directory, 'damaged.safetensors');
    await writeCorrectionFile(path, correction);
    const sound = readFileSync(path);
    const expectRefusal = async (sentence: RegExp): Promise<void> => {
      await expect(readCorrectionFile(path)).rejects.toThrow(sentence);
      await expect(readCorrectionFile(path)).rejects.toThrow(/make one with `correctSchedule`/);
    };
    for (const cut of [0, 7, 100, sound.length - 1]) {
      writeFileSync(path, sound.subarray(0, cut));
      await expectRefusal(/cannot be used: .*not a sound safetensors file/);
    }
    writeFileSync(path, encodeSafetensors(parameters));
    await expectRefusal(/is not a correction, by its metadata/);
    const { weights, schedule: of } = correction;
    for (const figures of ['', 'none', '{}', '{"before":null}']) {
      const metadata = { format: 'diffrate correction', weights, schedule: of, figures };
      writeFileSync(path, encodeSafetensors(parameters, metadata));
      await expectRefusal(/is not a correction, by its metadata/);
    }
    rmSync(path);
    await expectRefusal(/cannot be read/);
  });
});

/** The correction with one tensor of another name or shape. */
function changed(name: string, shape: readonly number[], value = 0.5): Promise<unknown> {
  const [length = 1] = shape;
  const tensor = float32Tensor(name, shape, new Float32Array(length).fill(value));
  return correctedModel(model, schedule, { ...correction, parameters: new Map([[name, tensor]]) });
}

/** What a network, or a file in its place, answers to random pixels. */
async function answersOf(built: BuiltNetwork, file?: OnnxFile): Promise<Float32Array> {
  const reducer = diffRate(schedule, model.network);
  const session = await NetworkSession.load(built, { runtime: nodeRuntime, threads: 1, reducer, file });
  const answers = await session.run(randomValues(2 * pixelCount(model.network.input), 9));
  await session.dispose();
  return answers;
}

describe('an exported correction', () => {
  it('is folded into the file, which computes no operator more', async () => {
    const [plain, folded] = [join(directory, 'plain'), join(directory, 'folded')];
    await exportModel({ model, schedule, directory: plain });
    const { files } = await exportModel({ model, schedule, correction, directory: folded });
    expect(files.map(({ path }) => path)).toContain('correction.safetensors');
    const nodesIn = (folder: string): string[] =>
      decodeModel(readFileSync(join(folder, 'onnx', 'model.onnx'))).nodes.map(({ operator }) => operator);
    expect(nodesIn(folded)).toEqual(nodesIn(plain));
    const file = await readOnnxFile(join(folded, 'onnx', 'model.onnx'));
    const own = await answersOf(await correctedModel(model, schedule, correction));
    expect(await answersOf(model, file)).toEqual(own);
    expect(await answersOf(model)).not.toEqual(own);
    const card = readFileSync(join(folded, 'README.md'), 'utf8');
    expect(card).toMatch(
      /on 12 other images the answers are 0\.0160 nats from the original’s instead of 0\.0200, 20 % less/,
    );
    // What was exported belongs together.
    await correctedModel(model, schedule, await readCorrectionFile(join(folded, 'correction.safetensors')));
    // A folder that is written anew does not keep what belongs to it no more.
    const again = await exportModel({ model, schedule, directory: folded });
    expect(again.files.map(({ path }) => path)).not.toContain('correction.safetensors');
    await expect(readCorrectionFile(join(folded, 'correction.safetensors'))).rejects.toThrow(/cannot be read/);
  });

  it('needs its schedule', async () => {
    const out = join(directory, 'none');
    await expect(exportModel({ model, correction, directory: out })).rejects.toThrow(
      /A correction is for one schedule/,
    );
    const other = { ...randomModel(narrowSizes), ...smallModel(narrowSizes, 3) };
    await expect(exportModel({ model: other, schedule, correction, directory: out })).rejects.toThrow(/other weights/);
  });
});
