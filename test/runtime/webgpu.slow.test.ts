/**
 * The compressed network on WebGPU, without one operator that falls back to the CPU: each fallback
 * is a round trip between the two. Debian's package `chromium` brings SwiftShader, a Vulkan driver
 * that needs no GPU; `libvulkan1` is the loader.
 */
import { existsSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { NetworkSession, networkModel } from '../../src/execution/network-session.ts';
import { encodeModel, joinChunks } from '../../src/onnx/write.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { randomModel, randomValues, smallConfiguration, smallSchedule } from '../random-network.ts';

const driver = process.env['VK_DRIVER_FILES'] ?? '/usr/lib/chromium/vk_swiftshader_icd.json';
const loader = ['/usr/lib/x86_64-linux-gnu/libvulkan.so.1', '/usr/lib/aarch64-linux-gnu/libvulkan.so.1'];
const available = existsSync(driver) && loader.some((path) => existsSync(path));
if (!available) console.warn(`SKIPPED: WebGPU tests need a Vulkan driver (${driver}) and libvulkan1.`);

/** Every way to reduce in a block: prune before attention, prune and merge after it, merge only. */
const schedules: Record<string, KeptNumbers> = {
  'prunes and merges': smallSchedule,
  'prunes many before attention': { pruneKept: [17, 6, 6, 5], mergeKept: [17, 6, 5, 5] },
  'selects by dissimilarity': {
    pruneKept: [17, 15, 14, 8],
    mergeKept: [15, 12, 9, 5],
    merging: 'patches',
    selection: dissimilarity,
  },
  'selects by dissimilarity with other numbers, prunes before attention, and keeps one patch': {
    pruneKept: [17, 6, 6, 5],
    mergeKept: [12, 6, 4, 2],
    merging: 'patches',
    selection: { ...dissimilarity, power: 1.4, perSize: 1, weight: 0, norm: 0.8, coherence: 0.5 },
  },
  'merges only': { pruneKept: [17, 17, 14, 10], mergeKept: [17, 14, 10, 5] },
};

// Compiling shaders for a CPU takes seconds.
describe.skipIf(!available)('WebGPU', { timeout: 120_000 }, () => {
  beforeAll(() => {
    process.env['VK_DRIVER_FILES'] = driver;
  });

  it.each(Object.entries(schedules))('runs a network that %s entirely on the device', async (_, schedule) => {
    const network = randomModel();
    const reducer = diffRate(schedule, network.network);
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
    expect(logits?.dims).toEqual([2, smallConfiguration.classes]);
    const largest = Math.max(...expected.map(Math.abs));
    const errors = expected.map((value, index) => Math.abs(value - Number(logits?.data[index])));
    expect(Math.max(...errors)).toBeLessThan(1e-4 * largest);
  });
});
