/**
 * The other static methods on WebGPU, without one operator that falls back to the CPU; see
 * `webgpu.slow.test.ts` for the driver.
 */
import { existsSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { NetworkSession, networkModel } from '../../src/execution/network-session.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import { encodeModel, joinChunks } from '../../src/onnx/write.ts';
import { buildMethod, parseMethod } from '../../src/reduction/methods/registry.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { randomModel, randomValues, randomWeights, smallConfiguration } from '../random-network.ts';
import { smallNetwork } from '../small-networks.ts';
import { withLearned } from '../reduction/methods/learned-weights.ts';

const driver = process.env['VK_DRIVER_FILES'] ?? '/usr/lib/chromium/vk_swiftshader_icd.json';
const loader = ['/usr/lib/x86_64-linux-gnu/libvulkan.so.1', '/usr/lib/aarch64-linux-gnu/libvulkan.so.1'];
const available = existsSync(driver) && loader.some((path) => existsSync(path));
if (!available) console.warn(`SKIPPED: WebGPU tests need a Vulkan driver (${driver}) and libvulkan1.`);

/** These reduce in each block but the last; a second block's shaders are those of the first. */
const needTwoBlocks = ['tome', 'tofu', 'transforming', 'dtem'];

/** Blocks that reduce, and the last, which computes the class token alone. */
const configurationFor = (text: string): typeof smallConfiguration => ({
  ...smallConfiguration,
  depth: needTwoBlocks.some((name) => text.startsWith(name)) ? 2 : 3,
});

const methods = [
  'tome:r=3',
  'evit:rate=0.6,fusion=true',
  'ppt:r=3,threshold=0.002,blocks=0/1',
  'pitome:ratio=0.8',
  'gtp:p=2',
  'mctf:r=3',
  'tofu:r=3',
  'kmedoids:keep=0.6',
  'dpcknn:keep=0.6',
  'atc:keep=0.8',
  'transforming:r=3',
  'dynamicvit:keep=0.6',
  'spvit:keep=0.7/0.4',
  'evovit:keep=0.5',
  'dtem:r=3',
];

// Compiling shaders for a CPU takes seconds.
describe.skipIf(!available)('WebGPU', { timeout: 120_000 }, () => {
  beforeAll(() => {
    process.env['VK_DRIVER_FILES'] = driver;
  });

  it.each(methods)('runs %s entirely on the device', async (text) => {
    const configuration = configurationFor(text);
    const method = buildMethod(parseMethod(text), smallNetwork(configuration));
    const { reducer } = method;
    const weights = withLearned(randomWeights(configuration), method);
    const network = { ...randomModel(configuration), parameters: parametersFromWeights(weights, 'random weights') };
    const values = randomValues(2 * 3 * 32 * 32, 7);
    const onCpu = await NetworkSession.load(network, { reducer, runtime: nodeRuntime });
    const expected = await onCpu.run(values);
    await onCpu.dispose();

    const { model } = encodeModel(networkModel(network, reducer));
    const session = await InferenceSession.create(joinChunks(model), {
      executionProviders: ['webgpu', 'cpu'],
      logSeverityLevel: 4,
      extra: { session: { disable_cpu_ep_fallback: '1' } },
    });
    const { logits } = await session.run({ pixel_values: new Tensor('float32', values, [2, 3, 32, 32]) });
    await session.release();
    const largest = Math.max(...expected.map(Math.abs));
    const errors = expected.map((value, index) => Math.abs(value - Number(logits?.data[index])));
    expect(Math.max(...errors)).toBeLessThan(1e-4 * largest);
  });
});
