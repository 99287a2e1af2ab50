/**
 * Half precision and 8 bits: what the graphs become, and how far their logits are from those of
 * float32.
 */
import { median } from 'd3-array';
import * as fc from 'fast-check';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeImageFile } from '../../src/data/decoding/decode-image.ts';
import { preprocessImage } from '../../src/data/preprocess.ts';
import { networkModel } from '../../src/execution/network-session.ts';
import { toHalfPrecision } from '../../src/exporting/half-precision.ts';
import { deviceRemarks } from '../../src/exporting/precision.ts';
import { quantizeColumns, quantizeDynamically } from '../../src/exporting/quantization.ts';
import { lower } from '../../src/graph/lower.ts';
import { gemm, matMul } from '../../src/graph/operators/index.ts';
import { constant, input, inScope } from '../../src/graph/tensor.ts';
import { loadModel } from '../../src/loading/load-model.ts';
import type { LoadedModel } from '../../src/loading/model-from-files.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { lookUp } from '../../src/reduction/positions.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { findPublishedSchedule } from '../../src/reduction/published-schedules.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { floats, integers } from '../../src/runtime/runtime.ts';
import type { RuntimeTensor } from '../../src/runtime/runtime.ts';
import { randomModel, randomValues, smallConfiguration, smallSchedule } from '../random-network.ts';

const meanPooled = { ...smallConfiguration, pool: 'mean' } as const;
const compressed = (model: LoadedModel): OnnxModel => networkModel(model, diffRate(smallSchedule, model.network));
const selecting = (model: LoadedModel): OnnxModel =>
  networkModel(model, diffRate({ ...smallSchedule, merging: 'patches', selection: dissimilarity }, model.network));
const networks = [
  ['plain', networkModel(randomModel())],
  ['compressed', compressed(randomModel())],
  ['compressed, mean-pooled', compressed(randomModel(meanPooled))],
  ['compressed by dissimilarity', selecting(randomModel())],
] as const;
const images = 16;
const pixels = floats(randomValues(images * 3 * 32 * 32, 77), [images, 3, 32, 32]);

async function run(model: OnnxModel, pixel_values: RuntimeTensor = pixels): Promise<Float32Array> {
  const session = await nodeRuntime.load(model);
  try {
    return (await session.run({ pixel_values }))['logits']?.data as Float32Array;
  } finally {
    await session.dispose();
  }
}

/** Largest error per image relative to the image's largest logit, in ascending order. */
function relativeErrors(actual: Float32Array, expected: Float32Array): number[] {
  const classes = expected.length / images;
  const errors = Array.from({ length: images }, (_, image) => {
    const own = expected.subarray(image * classes, (image + 1) * classes);
    const differences = own.map((value, index) => Math.abs(value - (actual[image * classes + index] ?? Number.NaN)));
    return Math.max(...differences) / Math.max(...own.map(Math.abs));
  });
  return errors.sort((a, b) => a - b);
}

describe('deviceRemarks', () => {
  it('says that q8 is for the CPU and WebAssembly where it was asked for with WebGPU', () => {
    const [remark = ''] = deviceRemarks(['fp32', 'q8'], 'webgpu');
    expect(remark).toMatch(/^q8 is for CPUs and WebAssembly: .* onnxruntime-web 1\.20 and 1\.22 .* from 1\.24 on/);
    expect([deviceRemarks(['q8']), deviceRemarks(['fp32', 'fp16'], 'webgpu')]).toEqual([[], []]);
  });
});

describe('toHalfPrecision', () => {
  it('keeps positions exact beyond what a half counts to', async () => {
    const indices = input('indices', 'int64', ['n']);
    const model = lower({ positions: inScope('reduction', () => lookUp(indices, 5000, (position) => position)) }, [
      indices,
    ]);
    const session = await nodeRuntime.load(toHalfPrecision(model), { threads: 1 });
    const { positions } = await session.run({ indices: integers([2048, 2049, 4999]) });
    await session.dispose();
    expect(positions?.data).toEqual(Float32Array.of(2048, 2049, 4999));
  });

  it.each(networks)('of the %s network runs, in float32 at the borders, with small errors', async (_, model) => {
    const half = toHalfPrecision(model);
    expect(half.inputs).toEqual(model.inputs);
    expect(half.outputs).toEqual(model.outputs);
    const errors = relativeErrors(await run(half), await run(model));
    // A near-tie that rounding decides the other way may change an image of a compressed network
    // more.
    expect(median(errors)).toBeLessThan(5e-3);
    expect(errors[0]).toBeGreaterThan(0);
  });

  it.each(networks)('of the %s network halves the weights and keeps matching in float32', (_, model) => {
    const half = toHalfPrecision(model);
    const bytesOf = ({ initializers }: OnnxModel): number =>
      initializers.reduce((sum, { bytes }) => sum + bytes.length, 0);
    expect(bytesOf(half) / bytesOf(model)).toBeLessThan(0.52);
    const casts = new Map(
      half.nodes.filter(({ operator }) => operator === 'Cast').map((node) => [node.outputs[0], node]),
    );
    const merging = half.nodes.filter(({ name, operator }) => name.includes('/merge/') && operator === 'MatMul');
    for (const { inputs } of merging) {
      for (const name of inputs)
        expect(half.initializers.find((tensor) => tensor.name === name)?.type).not.toBe('float16');
    }
    // A rank above all others is beyond what a half holds.
    for (const { inputs } of half.nodes.filter(({ name }) => name.includes('/select/')))
      for (const name of inputs)
        expect(half.initializers.find((tensor) => tensor.name === name)?.type).not.toBe('float16');
    for (const { attributes } of casts.values()) expect(attributes['to']).toBeDefined();
    const products = half.nodes.filter(({ operator }) => ['Gemm', 'MatMul', 'Conv'].includes(operator));
    const constants = products.flatMap(({ inputs }) => half.initializers.find(({ name }) => name === inputs[1]) ?? []);
    const weights = constants.filter(({ shape }) => shape.length === 2 || shape.length === 4);
    expect(weights.length).toBeGreaterThanOrEqual(4 * 6 + 2);
    expect(new Set(weights.map(({ type }) => type))).toEqual(new Set(['float16']));
  });

  it('refuses graphs that are not float32', () => {
    const [, [, model]] = networks;
    const initializers = model.initializers.map((tensor) =>
      tensor.type === 'float32' ? { ...tensor, type: 'bfloat16' as const } : tensor,
    );
    expect(() => toHalfPrecision({ ...model, initializers })).toThrow(/only float32 graphs/);
  });
});

describe('quantizeDynamically', () => {
  it.each(networks)('of the %s network runs with a quarter of the weights and tolerable errors', async (_, model) => {
    const quantized = quantizeDynamically(model);
    const weights = (of: OnnxModel): number =>
      of.initializers
        .filter(({ shape }) => shape.length === 2 && !shape.includes(1))
        .reduce((sum, { bytes }) => sum + bytes.length, 0);
    expect(weights(quantized) / weights(model)).toBeLessThan(0.31);
    expect(quantized.nodes.some(({ operator }) => operator === 'MatMulInteger')).toBe(true);
    // No float copy of a quantised weight is left, and activations are quantised once for query,
    // key and value.
    const names = new Set(quantized.initializers.map(({ name }) => name));
    expect([...names].filter((name) => names.has(`${name}_quantized`))).toEqual([]);
    const outputs = quantized.nodes.flatMap((node) => node.outputs);
    expect(new Set(outputs).size).toBe(outputs.length);
    const errors = relativeErrors(await run(quantized), await run(model));
    expect(median(errors)).toBeLessThan(0.15);
    expect(errors[0]).toBeGreaterThan(0);
  });

  it.each([
    ['MatMul', false],
    ['Gemm', false],
    ['Gemm', true],
  ])('quantises %s (transposed weight: %s), whose bias stays exact', async (operator, isTransposed) => {
    const [rows, inner, columns] = [5, 48, 7];
    const values = randomValues(inner * columns, 3);
    const weight = constant(values, isTransposed ? [columns, inner] : [inner, columns], 'float32', 'weight');
    const bias = constant(randomValues(columns, 4), [columns], 'float32', 'bias');
    const x = input('x', 'float32', ['rows', inner]);
    const y = operator === 'MatMul' ? matMul(x, weight) : gemm(x, weight, bias, isTransposed);
    const model = lower({ y }, [x]);
    const feeds = { x: floats(randomValues(rows * inner, 5), [rows, inner]) };
    const results: Float32Array[] = [];
    for (const variant of [model, quantizeDynamically(model)]) {
      const session = await nodeRuntime.load(variant);
      results.push((await session.run(feeds))['y']?.data as Float32Array);
      await session.dispose();
    }
    const [expected = new Float32Array(), actual = new Float32Array()] = results;
    const differences = expected.map((value, index) => Math.abs(value - (actual[index] ?? Number.NaN)));
    expect(Math.max(...differences)).toBeLessThan(0.05);
    expect(Math.max(...differences)).toBeGreaterThan(0);
  });

  it('stores columns to half a step, zero exactly', () => {
    const matrix = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 })).chain(([rows, columns]) =>
      fc.record({
        rows: fc.constant(rows),
        columns: fc.constant(columns),
        values: fc.array(fc.oneof(fc.constant(0), fc.float({ min: -8, max: 8, noNaN: true })), {
          minLength: rows * columns,
          maxLength: rows * columns,
        }),
      }),
    );
    fc.assert(
      fc.property(matrix, ({ rows, columns, values }) => {
        const weight = Float32Array.from(values, (value) => (Math.abs(value) < 1e-30 ? 0 : value));
        const { values: integers, scales, zeroPoints } = quantizeColumns(weight, rows, columns);
        for (const [index, value] of weight.entries()) {
          const column = index % columns;
          const scale = scales[column] ?? 0;
          const restored = ((integers[index] ?? 0) - (zeroPoints[column] ?? 0)) * scale;
          if (value === 0) expect(restored).toBe(0);
          // Zero point and value are rounded each; at the ends of the range both roundings may
          // meet.
          expect(Math.abs(restored - value)).toBeLessThanOrEqual(1.0001 * scale);
        }
      }),
    );
  });
});

describe('on photographs', () => {
  const data = resolve(process.env['DIFFRATE_DATA'] ?? '../shared/data');
  const isThere = existsSync(join(data, 'imagenet-val/images'));
  if (!isThere) console.warn(`skipped: ${data} has no imagenet-val/images`);

  const cases = [
    ['deit_tiny_patch16_224', undefined],
    ['deit_tiny_patch16_224', '0.8'],
    ['vit_tiny_patch16_224', undefined],
  ] as const;
  it.skipIf(!isThere).each(cases)(
    '%s (schedule %s) names the same classes in every precision',
    async (name, budget) => {
      const model = await loadModel(name, { weights: join(data, `weights/${name}.safetensors`) });
      const schedule = budget && findPublishedSchedule(budget, 'deit_tiny_patch16_224');
      const network = networkModel(model, schedule && diffRate(schedule, model.network));
      const files = (await readdir(join(data, 'imagenet-val/images'))).sort().slice(0, images);
      const photographs = new Float32Array(images * 3 * 224 * 224);
      for (const [index, file] of files.entries()) {
        const image = await decodeImageFile(join(data, 'imagenet-val/images', file));
        photographs.set(preprocessImage(image, model.preprocessing), index * 3 * 224 * 224);
      }
      const pixelValues = floats(photographs, [images, 3, 224, 224]);
      const expected = await run(network, pixelValues);
      const half = await run(toHalfPrecision(network), pixelValues);
      const quantized = await run(quantizeDynamically(network), pixelValues);
      expect(median(relativeErrors(half, expected))).toBeLessThan(5e-3);
      expect(median(relativeErrors(quantized, expected))).toBeLessThan(0.1);
      expect(agreement(half, expected)).toBe(images);
      expect(agreement(quantized, expected)).toBeGreaterThanOrEqual(images - 2);
    },
  );
});

/** Number of images on which the likeliest class is the same. */
function agreement(actual: Float32Array, expected: Float32Array): number {
  const classes = expected.length / images;
  const best = (logits: Float32Array, image: number): number => {
    const own = logits.subarray(image * classes, (image + 1) * classes);
    return own.indexOf(Math.max(...own));
  };
  return Array.from({ length: images }, (_, image) => best(actual, image) === best(expected, image)).filter(Boolean)
    .length;
}
