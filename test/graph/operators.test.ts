/**
 * Every operator: ONNX Runtime computes what the float64 interpreter computes, in the shape that
 * was inferred.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as operators from '../../src/graph/operators/index.ts';
import { drawing } from './draw.ts';
import { interpret } from './float64-interpreter.ts';
import { operatorCases } from './operator-cases.ts';
import { relativeError, runGraph } from './run-graph.ts';

/**
 * ONNX Runtime's BiasGelu takes erf from a polynomial of its own, absolute errors of which are near
 * 4e-6 where the value is near 0.
 */
const tolerances: Readonly<Record<string, number>> = { biasGelu: 2e-5 };

describe('every operator equals its float64 meaning', () => {
  it.each(Object.entries(operatorCases))('%s', async (name, makeCase) => {
    await fc.assert(
      fc.asyncProperty(drawing(), async (draw) => {
        const results = makeCase(draw);
        const expected = interpret(results, draw.values);
        const actual = await runGraph(results, draw.inputs, draw.feeds());
        results.forEach((result, index) => {
          const value = expected[index] as (typeof expected)[number];
          expect(value.shape).toEqual(draw.sizes(result.shape));
          const error = relativeError(actual[index] as (typeof actual)[number], value);
          expect(error).toBeLessThanOrEqual(result.type === 'float32' ? (tolerances[name] ?? 2e-6) : 0);
        });
      }),
      { numRuns: 15 },
    );
  });

  it('and none is left out', () => {
    expect(Object.keys(operatorCases).sort()).toEqual(Object.keys(operators).sort());
  });
});
