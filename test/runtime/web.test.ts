/**
 * The browser's runtime in Node: its WebAssembly computes what onnxruntime-node computes. WebGPU
 * needs a browser.
 */
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { createWebRuntime } from '../../src/runtime/web/runtime.ts';
import { smallModel, smallModelFeeds } from './small-model.ts';

const runtime = createWebRuntime({ threads: 1 });

describe('createWebRuntime', () => {
  it('runs on WebAssembly as in Node', async () => {
    const [web, node] = [await runtime.load(smallModel()), await nodeRuntime.load(smallModel(), { threads: 1 })];
    const feeds = smallModelFeeds([1.5, 2], [-3, 0.1]);
    const expected = await node.run(feeds);
    expect(await web.run(feeds)).toEqual(expected);
    expect(await web.run(feeds, ['sum'])).toEqual({ sum: expected['sum'] });
    await Promise.all([web.dispose(), web.dispose(), node.dispose()]);
    await expect(web.run(feeds)).rejects.toThrow(DiffrateError);
  });

  it('refuses a bad model, a wrong feed and a device that is not there', async () => {
    const model = smallModel();
    const nodes = model.nodes.map((node) => ({ ...node, operator: 'Nonsense' }));
    await expect(runtime.load({ ...model, nodes })).rejects.toThrow(DiffrateError);
    const session = await runtime.load(model);
    await expect(session.run({ x: { type: 'float32', shape: [1, 3], data: new Float32Array(2) } })).rejects.toThrow(
      DiffrateError,
    );
    await session.dispose();
    await expect(runtime.load(model, { device: 'abacus' })).rejects.toThrow(
      'no device "abacus" in a browser; use one of cpu, webgpu, webnn',
    );
    await expect(runtime.load(model, { device: 'webgpu' })).rejects.toThrow('There is no WebGPU here');
  });
});
