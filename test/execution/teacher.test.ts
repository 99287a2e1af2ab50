/**
 * The teacher asks for each image once, whatever the order and the company in which images come.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { imageKey, Teacher } from '../../src/execution/teacher.ts';
import { forward, pixelInput } from '../../src/networks/forward.ts';
import { pixelCount } from '../../src/execution/network-session.ts';
import { floats } from '../../src/runtime/runtime.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import type { Runtime, RuntimeTensor } from '../../src/runtime/runtime.ts';
import { runGraph } from '../graph/run-graph.ts';
import { randomValues } from '../random-network.ts';
import { narrowSizes, smallModel } from '../small-networks.ts';

const model = smallModel({ ...narrowSizes, depth: 2, inputSize: { height: 16, width: 24 } });
const imageSize = pixelCount(model.network.input);

/**
 * A runtime whose networks answer by the first pixel of each image: 10 times that, and how many
 * images the run had.
 */
function counting(): { runtime: Runtime; runs: number[]; disposed: () => number } {
  const runs: number[] = [];
  let disposed = 0;
  const runtime: Runtime = {
    ...nodeRuntime,
    load: () =>
      Promise.resolve({
        run: (feeds) => {
          const { data, shape } = feeds['pixel_values'] as RuntimeTensor;
          const images = shape[0] as number;
          runs.push(images);
          const values = Array.from({ length: images * 7 }, (_, index) =>
            index % 7 === 0 ? 10 * Number(data[Math.floor(index / 7) * imageSize]) : images,
          );
          return Promise.resolve({ answer: floats(Float32Array.from(values), [images, 7]) });
        },
        dispose: () => {
          disposed += 1;
          return Promise.resolve();
        },
        endProfiling: () => {},
      }),
  };
  return { runtime, runs, disposed: () => disposed };
}

/** Pixels of images that are told apart by a number. */
function pixelsOf(images: readonly number[]): Float32Array {
  const pixels = new Float32Array(images.length * imageSize);
  images.forEach((image, index) => pixels.fill(image, index * imageSize, (index + 1) * imageSize));
  return pixels;
}

const keysOf = (images: readonly number[]): string[] => images.map((image) => imageKey(`${image}.png`, false));
const firstNumbers = (answers: Float32Array): number[] => [...answers].filter((_, index) => index % 7 === 0);

describe('the teacher', () => {
  it('asks for each image once, alone, and remembers what it was told', async () => {
    const { runtime, runs } = counting();
    const teacher = await Teacher.load(runtime, model, {});
    expect(firstNumbers(await teacher.answers(pixelsOf([1, 2, 3]), keysOf([1, 2, 3])))).toEqual([10, 20, 30]);
    expect(runs).toEqual([1, 1, 1]);
    expect(firstNumbers(await teacher.answers(pixelsOf([3, 4, 1]), keysOf([3, 4, 1])))).toEqual([30, 40, 10]);
    expect(runs).toHaveLength(4);
    expect(firstNumbers(await teacher.answers(pixelsOf([4, 4]), keysOf([4, 4])))).toEqual([40, 40]);
    expect(runs).toHaveLength(4);
  });

  it('remembers nothing of images without a key, which are asked for together', async () => {
    const { runtime, runs } = counting();
    const teacher = await Teacher.load(runtime, model, {});
    await teacher.answers(pixelsOf([1, 2, 3]));
    await teacher.answers(pixelsOf([1, 2, 3]));
    expect(runs).toEqual([3, 3]);
  });

  it('tells an image from its mirror image', async () => {
    const { runtime, runs } = counting();
    const teacher = await Teacher.load(runtime, model, {});
    const keys = [imageKey('a.png', false), imageKey('a.png', true)];
    expect(firstNumbers(await teacher.answers(pixelsOf([1, 2]), keys))).toEqual([10, 20]);
    expect(runs).toHaveLength(2);
  });

  it('gives answers of their own: who changes them changes no other’s', async () => {
    const { runtime } = counting();
    const teacher = await Teacher.load(runtime, model, {});
    (await teacher.answers(pixelsOf([5]), keysOf([5]))).fill(0);
    expect(firstNumbers(await teacher.answers(pixelsOf([5]), keysOf([5])))).toEqual([50]);
  });

  it('frees its network', async () => {
    const { runtime, disposed } = counting();
    await (await Teacher.load(runtime, model, {})).dispose();
    expect(disposed()).toBe(1);
  });

  it('answers what the plain network answers, to the bit the same in any order and company', async () => {
    const pixels = randomValues(5 * imageSize, 4);
    const imageOf = (image: number): Float32Array => pixels.subarray(image * imageSize, (image + 1) * imageSize);
    const asked = async (order: readonly number[], batch: number): Promise<Map<number, number[]>> => {
      const teacher = await Teacher.load(nodeRuntime, model, { threads: 1 });
      const found = new Map<number, number[]>();
      for (let first = 0; first < order.length; first += batch) {
        const own = order.slice(first, first + batch);
        const together = Float32Array.from(own.flatMap((image) => [...imageOf(image)]));
        const answers = await teacher.answers(together, keysOf(own));
        own.forEach((image, index) => found.set(image, [...answers.subarray(index * 7, (index + 1) * 7)]));
      }
      await teacher.dispose();
      return found;
    };
    const once = await asked([0, 1, 2, 3, 4], 5);
    const orders = fc.shuffledSubarray([0, 1, 2, 3, 4, 0, 1, 2, 3, 4], { minLength: 5 });
    await fc.assert(
      fc.asyncProperty(orders, fc.integer({ min: 1, max: 4 }), async (order, batch) => {
        for (const [image, answer] of await asked(order, batch)) expect(answer).toEqual(once.get(image));
      }),
      { numRuns: 5 },
    );
    const input = pixelInput(model.network);
    const { answer } = forward(model.network, input, { parameters: model.parameters });
    const { channels, height, width } = model.network.input;
    const [plain] = await runGraph([answer], [input], { pixel_values: floats(pixels, [5, channels, height, width]) });
    for (const [image, own] of once)
      own.forEach((value, index) => expect(value).toBeCloseTo(plain?.data[image * 7 + index] ?? NaN, 5));
  });
});
