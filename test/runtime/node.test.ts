/**
 * ONNX Runtime for Node behind the `Runtime` interface: results, choice of outputs, and what goes
 * wrong.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { floats, integers } from '../../src/runtime/runtime.ts';
import type { Session } from '../../src/runtime/runtime.ts';
import { availableCores } from '../../src/threads/available-cores.ts';
import { rejectionSentence } from './rejection-sentence.ts';
import { smallModel, smallModelFeeds, typesModel } from './small-model.ts';

let session: Session;
beforeAll(async () => {
  session = await nodeRuntime.load(smallModel(), { threads: 1 });
});
afterAll(() => session.dispose());

describe('a session', () => {
  it('computes every output by default', async () => {
    expect(await session.run(smallModelFeeds([1, 2], [3, 4]))).toEqual({
      sum: { type: 'float32', shape: [2, 2], data: Float32Array.of(11, 22, 13, 24) },
      product: { type: 'float32', shape: [2, 2], data: Float32Array.of(10, 40, 30, 80) },
    });
  });

  it('computes only the outputs asked for', async () => {
    expect(Object.keys(await session.run(smallModelFeeds([1, 2]), ['product']))).toEqual(['product']);
  });

  it('runs several times at once', async () => {
    const runs = [1, 2, 3, 4, 5].map((value) => session.run(smallModelFeeds([value, value]), ['sum']));
    const results = await Promise.all(runs);
    expect(results.map(({ sum }) => [...(sum?.data ?? [])])).toEqual(
      [1, 2, 3, 4, 5].map((value) => [value + 10, value + 20]),
    );
  });

  it.each([
    ['as many as are asked for', { threads: 3 }, 3],
    ['as many as there are cores', {}, availableCores()],
  ])('has its threads named: %s', async (_, options, expected) => {
    const create = vi.spyOn(InferenceSession, 'create');
    const loaded = await nodeRuntime.load(smallModel(), options);
    await loaded.dispose();
    expect(create).toHaveBeenCalledExactlyOnceWith(
      expect.anything(),
      expect.objectContaining({ intraOpNumThreads: expected }),
    );
    create.mockRestore();
  });

  it('takes and gives every type that graphs use', async () => {
    const types = await nodeRuntime.load(typesModel(), { threads: 1 });
    const results = await types.run({
      index: integers([2, 0]),
      flag: { type: 'bool', shape: [2], data: Uint8Array.of(1, 0) },
      half: { type: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0xc000) },
    });
    expect(results).toEqual({
      taken: { type: 'int64', shape: [2], data: BigInt64Array.of(9n, 7n) },
      chosen: { type: 'float32', shape: [2], data: Float32Array.of(1, 0) },
      negated: { type: 'float16', shape: [2], data: Uint16Array.of(0xbc00, 0x4000) },
    });
    await types.dispose();
  });

  it('is disposed once, however often it is asked to, and then does not run', async () => {
    const other = await nodeRuntime.load(smallModel(), { threads: 1 });
    await other.dispose();
    await other.dispose();
    expect(await rejectionSentence(other.run(smallModelFeeds([1, 2])))).toMatch(/disposed/);
  });
});

describe('a feed', () => {
  it.each([
    [
      'of too few values',
      { x: floats(Float32Array.of(1, 2), [2, 2]) },
      /The input "x" is no float32 tensor of shape \[2, 2\]/,
    ],
    ['of a wrong size', { x: floats(new Float32Array(3), [1, 3]) }, /input: x .* Got: 3 Expected: 2/s],
    ['of a wrong rank', { x: floats(new Float32Array(2), [2]) }, /Invalid rank for input: x/],
    ['of a wrong type', { x: integers([1, 2]) }, /Unexpected input data type/],
    [
      'of an unknown type',
      { x: { type: 'bfloat16' as const, shape: [1, 2], data: Uint16Array.of(1, 2) } },
      /The input "x" is no bfloat16 tensor/,
    ],
    ['that is missing', {}, /input 'x' is missing/],
  ])('%s is refused', async (_, feeds, message) => {
    expect(await rejectionSentence(session.run(feeds))).toMatch(message);
  });

  it('may not ask for an output that is none', async () => {
    expect(await rejectionSentence(session.run(smallModelFeeds([1, 2]), ['logits']))).toMatch(
      /invalid output name: logits/,
    );
  });
});

describe('a model', () => {
  it('with an unknown operator is refused', async () => {
    const model = smallModel();
    const nodes = model.nodes.map((node) => ({ ...node, operator: 'Nonsense' }));
    expect(await rejectionSentence(nodeRuntime.load({ ...model, nodes }))).toMatch(/cannot load the model on "cpu"/);
  });

  it('whose shapes contradict each other is refused', async () => {
    const model = smallModel();
    const inputs = model.inputs.map((value) => ({ ...value, shape: [1, 5] }));
    expect(await rejectionSentence(nodeRuntime.load({ ...model, inputs }))).toMatch(/cannot load the model on "cpu"/);
  });

  it('on a device that does not exist is refused, not run on the CPU', async () => {
    expect(await rejectionSentence(nodeRuntime.load(smallModel(), { device: 'abacus' }))).toMatch(
      /no device "abacus" here; use one of cpu,/,
    );
  });
});

describe('profiling', () => {
  it('writes a file with the given prefix', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'diffrate-profile-'));
    try {
      const profiled = await nodeRuntime.load(smallModel(), { threads: 1, profilePrefix: join(folder, 'run') });
      await profiled.run(smallModelFeeds([1, 2]));
      profiled.endProfiling();
      await profiled.dispose();
      expect(await readdir(folder)).toEqual([expect.stringMatching(/^run.*\.json$/)]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
