/**
 * What holds for each objective of the list: distances are none to oneself, `loss − floor` is the
 * mean distance, both in float64 and in ONNX Runtime, and the loss has the gradient that finite
 * differences find.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { gradients } from '../../src/graph/gradients/index.ts';
import { input } from '../../src/graph/tensor.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import type { Objective } from '../../src/objectives/objective.ts';
import { objectives } from '../../src/objectives/registry.ts';
import { floats } from '../../src/runtime/runtime.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { finiteDifferences, interpret } from '../graph/float64-interpreter.ts';
import { relativeError, runGraph } from '../graph/run-graph.ts';
import { cases, drawn, mean, situations } from './drawn-answers.ts';

/** A loss in a graph, with values for its inputs. */
function graphOf(objective: Objective, answers: Float32Array, targets: Float32Array, size: number) {
  const images = answers.length / size;
  const [x, t] = [
    input('answers', 'float32', ['batch', size]),
    input('targets', 'float32', ['batch', objective.targetSize]),
  ];
  const value = (data: Float32Array, width: number): Float64Tensor => ({
    shape: [images, width],
    data: Float64Array.from(data),
  });
  return {
    x,
    loss: objective.loss(x, t),
    inputs: [x, t],
    values: new Map([
      [x, value(answers, size)],
      [t, value(targets, objective.targetSize)],
    ]),
    feeds: { answers: floats(answers, [images, size]), targets: floats(targets, [images, objective.targetSize]) },
  };
}

/** Distances of each image's answer from its target. */
function distances(objective: Objective, answers: Float32Array, targets: Float32Array, size: number): number[] {
  const width = objective.targetSize;
  return Array.from({ length: answers.length / size }, (_, image) =>
    objective.distance(
      targets.subarray(image * width, (image + 1) * width),
      answers.subarray(image * size, (image + 1) * size),
    ),
  );
}

/** An objective, in the scale of some plain answers where it has one. */
const fitted = (objective: Objective, plain: Float32Array): Objective => objective.fitted?.(plain) ?? objective;

describe('every objective', () => {
  it('is listed once, by the name that it has', () => {
    expect(new Set(objectives.map(({ name }) => name)).size).toBe(objectives.length);
    for (const { name, create } of cases) {
      expect(create()).toMatchObject({ name, title: expect.any(String), unit: expect.any(String) });
    }
  });

  it('is nowhere below 0 and 0 from its own target', () => {
    fc.assert(
      fc.property(situations, ({ at, seed, images, scale }) => {
        const { size } = at.answers;
        const plain = drawn(seed, images * size, scale);
        const objective = fitted(at.create(), plain);
        const targets = objective.targets(plain);
        expect(targets).toHaveLength(images * objective.targetSize);
        for (const distance of distances(objective, plain, targets, size)) {
          expect(distance).toBeGreaterThanOrEqual(0);
          expect(distance).toBeLessThan(1e-6);
        }
        for (const distance of distances(objective, drawn(seed + 1, images * size, scale), targets, size)) {
          expect(distance).toBeGreaterThanOrEqual(0);
        }
        expect(objective.floor(targets)).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 300 },
    );
  });

  it('has its mean distance as loss above the floor, in float64', () => {
    fc.assert(
      fc.property(situations, ({ at, seed, images, scale }) => {
        const { size } = at.answers;
        const [plain, changed] = [drawn(seed, images * size, scale), drawn(seed + 1, images * size, scale)];
        const objective = fitted(at.create(), plain);
        const targets = objective.targets(plain);
        const { loss, values } = graphOf(objective, changed, targets, size);
        const [value] = interpret([loss], values) as [Float64Tensor];
        expect(value.shape).toEqual([]);
        const wanted = mean(distances(objective, changed, targets, size));
        expect(Math.abs((value.data[0] as number) - objective.floor(targets) - wanted)).toBeLessThan(
          1e-5 * Math.max(1, wanted),
        );
      }),
      { numRuns: 200 },
    );
  });

  it.each(cases)('$name of $answers.size $answers.kind: the loss in ONNX Runtime, and its gradient', async (at) => {
    const { size } = at.answers;
    const images = 4;
    const [plain, changed] = [drawn(size, images * size, 2), drawn(size + 100, images * size, 2)];
    const objective = fitted(at.create(), plain);
    const targets = objective.targets(plain);
    const { x, loss, inputs, values, feeds } = graphOf(objective, changed, targets, size);
    const [gradient] = gradients(loss, [x]) as [Tensor];
    const differences = finiteDifferences(loss, x, values);
    const [exact] = interpret([gradient], values) as [Float64Tensor];
    expect(relativeError(exact, differences)).toBeLessThan(1e-6);
    const [value, computed] = (await runGraph([loss, gradient], inputs, feeds)) as [Float64Tensor, Float64Tensor];
    expect(relativeError(computed, differences)).toBeLessThan(1e-5);
    const wanted = mean(distances(objective, changed, targets, size));
    expect(Math.abs((value.data[0] as number) - objective.floor(targets) - wanted)).toBeLessThan(
      1e-5 * Math.max(1, wanted),
    );
  });

  it.each(cases)('$name of $answers.size $answers.kind: answers of any size have a loss and a gradient', async (at) => {
    const { size } = at.answers;
    const changed = Float32Array.from({ length: 4 * size }, (_, index) => [1e4, -1e4, 0, 1e-20][index % 4] as number);
    changed.fill(0, 0, size);
    const objective = at.create();
    const targets = objective.targets(drawn(1, 4 * size));
    const { x, loss, inputs, feeds } = graphOf(objective, changed, targets, size);
    for (const { data } of await runGraph([loss, gradients(loss, [x])[0] as Tensor], inputs, feeds)) {
      expect([...data].every((value) => Number.isFinite(value))).toBe(true);
    }
  });

  it.each(cases)('$name of $answers.size $answers.kind: refuses damaged answers', (at) => {
    const { size } = at.answers;
    const sound = drawn(3, 3 * size);
    for (const damage of [Number.NaN, Infinity, -Infinity]) {
      const damaged = sound.slice();
      damaged[2 * size] = damage;
      const objective = at.create();
      const refusals = [
        () => objective.targets(damaged),
        () => objective.measure().add(damaged, sound),
        () => objective.measure().add(sound, damaged),
        ...(objective.fitted === undefined ? [] : [() => objective.fitted?.(damaged)]),
      ];
      for (const refusal of refusals) {
        expect(refusal).toThrow(DiffrateError);
        expect(refusal).toThrow(/answers that are no finite numbers: its weights are damaged/);
      }
      const targets = objective.targets(sound);
      // A candidate like that never wins.
      expect(Number.isFinite(distances(objective, damaged, targets, size)[2])).toBe(false);
    }
  });

  it.each(cases)('$name of $answers.size $answers.kind: the measure is none on equal answers', (at) => {
    const { size } = at.answers;
    const plain = drawn(4, 5 * size);
    const measure = at.create().measure();
    expect(measure.result().value).toBeNull();
    for (let start = 0; start < plain.length; start += 2 * size) {
      const part = plain.subarray(start, start + 2 * size);
      measure.add(part, part.slice());
    }
    const { value, agreement, neighbourAgreement } = measure.result();
    expect(value).toBe(0);
    expect([undefined, 100]).toContain(agreement);
    expect([undefined, 100]).toContain(neighbourAgreement);
    expect(() => measure.add(new Float32Array(size), new Float32Array(2 * size))).toThrow(RangeError);
    if (size > 1) expect(() => measure.add(new Float32Array(1), new Float32Array(1))).toThrow(RangeError);
  });
});
