/**
 * The step of a search: a batch is the mean of its pieces, to the bit the same however it is cut,
 * and the gradient is that of the whole graph.
 */
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GradientStep, meanOfSteps, pieceImages } from '../../src/execution/gradient-step.ts';
import type { StepResult, WeightedStep } from '../../src/execution/gradient-step.ts';
import { blockMasks, maskFeeds } from '../../src/execution/masks.ts';
import { pixelCount } from '../../src/execution/network-session.ts';
import type { TargetedBatch } from '../../src/execution/soft-targets.ts';
import { buildStepGraph } from '../../src/execution/step-graph.ts';
import { classDivergence } from '../../src/objectives/class-divergence.ts';
import { effectiveTokens } from '../../src/reduction/schedule.ts';
import type { KeptNumbers, ReductionRules } from '../../src/reduction/schedule.ts';
import { searchSpace } from '../../src/reduction/search-space.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import { tokenCount } from '../../src/reduction/token-layout.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { floats } from '../../src/runtime/runtime.ts';
import type { RuntimeTensor } from '../../src/runtime/runtime.ts';
import { randomValues } from '../random-network.ts';
import { narrowSizes, smallModel } from '../small-networks.ts';

const model = smallModel({ ...narrowSizes, depth: 3 });
const { network } = model;
const objective = classDivergence(network.answers.size);
const space = searchSpace(network);
const tokens = tokenCount(network.layout);
const { channels, height, width } = network.input;
const imageSize = pixelCount(network.input);

/** Removes in block 1 alone; the last block keeps its class token. */
const kept: KeptNumbers = { pruneKept: [17, 13, 1], mergeKept: [17, 9, 1] };

function batchOf(images: number, seed: number): TargetedBatch {
  const answers = randomValues(images * network.answers.size, seed + 1).map((value) => 3 * value);
  return {
    pixels: randomValues(images * imageSize, seed),
    shape: [images, channels, height, width],
    targets: objective.targets(answers),
  };
}

function partOf({ pixels, shape, targets }: TargetedBatch, first: number, count: number): TargetedBatch {
  const { size } = network.answers;
  return {
    pixels: pixels.subarray(first * imageSize, (first + count) * imageSize),
    shape: [count, ...shape.slice(1)] as unknown as TargetedBatch['shape'],
    targets: targets.subarray(first * size, (first + count) * size),
  };
}

let step: GradientStep;
beforeAll(async () => {
  step = await GradientStep.load(model, { runtime: nodeRuntime, threads: 1, objective, space, toThemselves: true });
});
afterAll(() => step.dispose());

describe('a gradient step', () => {
  it.each([1, 3, 4, 7, 9])('over %i images is the mean of pieces of four, taken in their order', async (images) => {
    const batch = batchOf(images, images);
    const parts: WeightedStep[] = [];
    for (let first = 0; first < images; first += pieceImages) {
      const count = Math.min(pieceImages, images - first);
      parts.push({ images: count, result: await step.run(partOf(batch, first, count), kept) });
    }
    expect(await step.run(batch, kept)).toEqual(meanOfSteps(parts));
  });

  it('is the same to the bit when it is taken again, whatever was taken between', async () => {
    const batch = batchOf(6, 40);
    const first = await step.run(batch, kept);
    await step.run(batchOf(5, 41), { pruneKept: [17, 16, 1], mergeKept: [17, 15, 1] });
    expect(await step.run(batch, kept)).toEqual(first);
  });

  it('over several micro-batches is the same for any split of them into whole pieces', async () => {
    const batch = batchOf(12, 50);
    const cut = async (sizes: readonly number[]): Promise<StepResult> => {
      const parts: WeightedStep[] = [];
      let first = 0;
      for (const images of sizes) {
        parts.push({ images, result: await step.run(partOf(batch, first, images), kept) });
        first += images;
      }
      return meanOfSteps(parts);
    };
    const whole = await step.run(batch, kept);
    for (const sizes of [
      [4, 4, 4],
      [8, 4],
      [4, 8],
    ]) {
      const found = await cut(sizes);
      expect(found.loss).toBeCloseTo(whole.loss, 14);
      found.gradients.forEach(({ mask, merging }, index) => {
        mask.forEach((value, position) => expect(value).toBeCloseTo(whole.gradients[index]?.mask[position] ?? NaN, 14));
        merging.forEach((value, position) =>
          expect(value).toBeCloseTo(whole.gradients[index]?.merging[position] ?? NaN, 14),
        );
      });
    }
  });

  it.each([
    ['as published', {}],
    ['by dissimilarity', { merging: 'patches', selection: dissimilarity } as const],
  ])('is what the whole batch in one run of the graph gives, selecting %s', async (_, rules: ReductionRules) => {
    const images = 6;
    const batch = batchOf(images, 60);
    const options = { runtime: nodeRuntime, threads: 1, objective, space, toThemselves: true, rules };
    const own = await GradientStep.load(model, options);
    const graph = buildStepGraph(model, objective, space.searched, true, rules);
    const session = await nodeRuntime.load(graph.model, { threads: 1 });
    const feeds: Record<string, RuntimeTensor> = {
      pixel_values: floats(batch.pixels, batch.shape),
      targets: floats(batch.targets, [images, network.answers.size]),
    };
    for (const [block, { tokensIn, pruneKept, mergeKept }] of effectiveTokens(kept, tokens).entries())
      if (space.searched.includes(block))
        Object.assign(
          feeds,
          maskFeeds(block, network.layout, blockMasks(tokens, tokensIn, pruneKept, mergeKept), rules.selection),
        );
    const results = await session.run(feeds);
    await session.dispose();
    const { loss, gradients } = await own.run(batch, kept);
    await own.dispose();
    expect(loss).toBeCloseTo(Number(results['loss']?.data[0]) - objective.floor(batch.targets), 5);
    const largest = Math.max(...gradients.flatMap(({ mask }) => [...mask].map(Math.abs)));
    expect(largest).toBeGreaterThan(0);
    for (const { block, mask, merging, start, end } of gradients) {
      const whole = results[`blocks.${block}.mask_gradient`]?.data as Float32Array;
      mask.forEach((value, position) =>
        expect(Math.abs(value - (whole[position] ?? NaN)) / largest).toBeLessThan(1e-4),
      );
      const sources = results[`blocks.${block}.source_gradient`]?.data as Float32Array;
      expect(sources).toHaveLength(end - start);
      for (let position = start; position < end; position++)
        expect(Math.abs((merging[position] ?? NaN) - (sources[position - start] ?? NaN)) / largest).toBeLessThan(1e-4);
    }
  });

  it('says which positions go, and has no merging gradient elsewhere', async () => {
    const { gradients } = await step.run(batchOf(2, 70), kept);
    expect(gradients.map(({ block, start, end }) => [block, start, end])).toEqual([[1, 9, 17]]);
    expect([...(gradients[0]?.merging ?? [])].slice(0, 9)).toEqual(Array(9).fill(0));
    const { gradients: none } = await step.run(batchOf(2, 70), { pruneKept: [17, 17, 1], mergeKept: [17, 17, 1] });
    expect(none.map(({ start, end }) => end - start)).toEqual([0]);
  });

  it('has a loss of zero where the network answers as it should', async () => {
    const batch = batchOf(5, 80);
    const graph = buildStepGraph(model, objective, space.searched, true);
    const session = await nodeRuntime.load(graph.model, { threads: 1 });
    const feeds: Record<string, RuntimeTensor> = {
      pixel_values: floats(batch.pixels, batch.shape),
      targets: floats(batch.targets, [5, network.answers.size]),
    };
    for (const block of space.searched)
      Object.assign(feeds, maskFeeds(block, network.layout, blockMasks(tokens, tokens, tokens, tokens)));
    const { answer } = await session.run(feeds, ['answer']);
    await session.dispose();
    const right = { ...batch, targets: objective.targets(answer?.data as Float32Array) };
    const { loss } = await step.run(right, { pruneKept: [17, 17, 1], mergeKept: [17, 17, 1] });
    expect(Math.abs(loss)).toBeLessThan(1e-6);
    expect((await step.run(right, kept)).loss).toBeGreaterThan(1e-6);
  });
});

describe('meanOfSteps', () => {
  const masks = blockMasks(3, 3, 2, 2);
  const numbers = fc.array(fc.double({ min: -9, max: 9, noNaN: true }), { minLength: 3, maxLength: 3 });
  const part = fc.record({
    images: fc.integer({ min: 1, max: 5 }),
    loss: fc.double({ min: 0, max: 9, noNaN: true }),
    mask: numbers,
    merging: numbers,
  });
  const resultOf = ({ loss, mask, merging }: { loss: number; mask: number[]; merging: number[] }): StepResult => ({
    loss,
    gradients: [
      { block: 1, mask: Float64Array.from(mask), merging: Float64Array.from(merging), start: 2, end: 3, masks },
    ],
  });

  it('weighs every part by its images', () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
        const found = meanOfSteps(parts.map((one) => ({ images: one.images, result: resultOf(one) })));
        const images = parts.reduce((sum, one) => sum + one.images, 0);
        const mean = (of: (one: (typeof parts)[number]) => number): number =>
          parts.reduce((sum, one) => sum + one.images * of(one), 0) / images;
        expect(found.loss).toBeCloseTo(
          mean((one) => one.loss),
          12,
        );
        const [gradients] = found.gradients;
        for (const position of [0, 1, 2]) {
          expect(gradients?.mask[position]).toBeCloseTo(
            mean((one) => one.mask[position] ?? NaN),
            12,
          );
          expect(gradients?.merging[position]).toBeCloseTo(
            mean((one) => one.merging[position] ?? NaN),
            12,
          );
        }
        expect(gradients).toMatchObject({ block: 1, start: 2, end: 3, masks });
      }),
    );
  });

  it('adds in the order of the parts, in float64', () => {
    const losses = [1e16, 1, -1e16];
    const parts = losses.map((loss) => ({
      images: 1,
      result: resultOf({ loss, mask: [0, 0, 0], merging: [0, 0, 0] }),
    }));
    expect(meanOfSteps(parts).loss).toBe((1e16 + 1 - 1e16) / 3);
    expect(meanOfSteps([parts[0], parts[2], parts[1]] as WeightedStep[]).loss).toBe(1 / 3);
  });
});
