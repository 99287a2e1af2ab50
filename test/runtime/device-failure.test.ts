/** Devices that are not there, in words that say what is missing. */
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { guardedRuntime } from '../../src/runtime/guarded-runtime.ts';
import { loadingFailure } from '../../src/runtime/device-failure.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { smallModel, smallModelFeeds } from './small-model.ts';

describe('loadingFailure', () => {
  it.each([
    [
      'webgpu',
      '/src/webgpu_context.cc:136 adapter_result.status was false. Failed to get a WebGPU adapter: No supported adapters',
      /^The device "webgpu" cannot be used here: it needs .*Vulkan.*; use "cpu" otherwise\.$/,
    ],
    [
      'cuda',
      'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library',
      /^The device "cuda" cannot be used here: it needs NVIDIA's driver, .*ONNXRUNTIME_NODE_INSTALL=skip.*\.$/,
    ],
    ['webgpu', 'Program Cast requires f16 but the device does not support it.', /lacks shader-f16, .*: use fp32/],
    ['cpu', 'No opset import for domain', /^ONNX Runtime cannot load the model on "cpu": No opset import/],
  ])('on %s says what is needed where ONNX Runtime says %s', (device, message, sentence) => {
    const cause = new Error(message);
    const failure = loadingFailure(cause, device);
    expect(failure.message).toMatch(sentence);
    expect(failure.message).not.toMatch(/\.cc:/);
    expect(failure.cause).toBe(cause);
  });
});

describe('guardedRuntime', () => {
  it('makes sentences of what a runtime of somebody’s own throws, and keeps the rest', async () => {
    const cause = new TypeError('boom\n.');
    const failing = guardedRuntime({ load: () => Promise.reject(cause) });
    const failure: unknown = await failing.load(smallModel()).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DiffrateError);
    expect(failure).toMatchObject({
      message: expect.stringMatching(/^The runtime cannot load the model \(boom .*\.$/),
      cause,
    });
    const session = await guardedRuntime(nodeRuntime).load(smallModel(), { threads: 1 });
    expect((await session.run(smallModelFeeds([1, 2])))['sum']?.data).toEqual(Float32Array.of(11, 22));
    await session.dispose();
    await expect(session.run(smallModelFeeds([1, 2]))).rejects.toThrow(/^ONNX Runtime cannot run the model: /);
    const halfway = { ...session, run: () => Promise.reject(cause) };
    const broken = await guardedRuntime({ load: () => Promise.resolve(halfway) }).load(smallModel());
    await expect(broken.run({})).rejects.toThrow(/^The runtime cannot run the model \(boom/);
  });
});
