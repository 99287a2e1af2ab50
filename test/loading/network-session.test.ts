/** What a network's session asks of the runtime. */
import { describe, expect, it } from 'vitest';
import { NetworkSession, networkModel, pixelCount } from '../../src/execution/network-session.ts';
import { buildMethod, parseMethod } from '../../src/reduction/methods/registry.ts';
import { floats } from '../../src/runtime/runtime.ts';
import type { Runtime, SessionOptions } from '../../src/runtime/runtime.ts';
import { onnxFileOf } from '../../src/onnx/onnx-file.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { smallModel as twoNodes } from '../runtime/small-model.ts';
import { smallModel } from '../small-networks.ts';

/** The options that a session of a method is loaded with, where batches of eight are announced. */
async function optionsOf(method: string): Promise<SessionOptions | undefined> {
  const asked: SessionOptions[] = [];
  const runtime: Runtime = {
    load: (_, options = {}) => {
      asked.push(options);
      return Promise.resolve({
        run: () => Promise.resolve({}),
        dispose: () => Promise.resolve(),
        endProfiling: () => {},
      });
    },
  } as Runtime;
  const model = smallModel();
  const { reducer } = buildMethod(parseMethod(method), model.network);
  await NetworkSession.load(model, { reducer, runtime, batch: 8, threads: 2 });
  return asked[0];
}

describe('a network’s session', () => {
  it.each(['tome:r=2', 'ats:tokens=9'])('has its batches shared out: %s', async (method) => {
    expect(await optionsOf(method)).toMatchObject({ batch: 8, threads: 2 });
  });

  it('keeps the images together whose results depend on each other', async () => {
    const options = await optionsOf('ats:tokens=9,drop=true');
    expect(options).toMatchObject({ threads: 2 });
    expect(options).not.toHaveProperty('batch');
  });

  it('runs a file as the network that was written into it', async () => {
    const model = smallModel();
    const pixels = Float32Array.from({ length: 2 * pixelCount(model.network.input) }, Math.sin);
    const file = onnxFileOf(networkModel(model));
    const [own, other] = await Promise.all([
      NetworkSession.load(model, { runtime: nodeRuntime, threads: 1 }),
      NetworkSession.load(model, { runtime: nodeRuntime, threads: 1, file }),
    ]);
    expect(await other.run(pixels)).toEqual(await own.run(pixels));
    await Promise.all([own.dispose(), other.dispose()]);
  });

  it('says so where a file gives other outputs', async () => {
    const runtime: Runtime = {
      load: async () => {
        const session = await nodeRuntime.load(twoNodes(), { threads: 1 });
        const run: typeof session.run = () => session.run({ x: floats(new Float32Array(2), [1, 2]) });
        return { run, dispose: () => session.dispose(), endProfiling: () => {} };
      },
    };
    const model = smallModel();
    const loaded = await NetworkSession.load(model, { runtime, file: onnxFileOf(twoNodes()) });
    await expect(loaded.run(new Float32Array(pixelCount(model.network.input)))).rejects.toThrow(
      'The model gives sum (float32), product (float32) where "logits" (float32) is read: use a file of this network.',
    );
    await loaded.dispose();
  });
});
