/**
 * Every gradient rule against central finite differences: in float64, where the emitted backward
 * pass must agree with them closely, and as ONNX Runtime computes it in float32.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gradients } from '../../src/graph/gradients/index.ts';
import { gradientRules } from '../../src/graph/gradients/rules.ts';
import { add, cast, mul, reduceL2, reduceSum } from '../../src/graph/operators/index.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { drawing } from './draw.ts';
import type { Draw } from './draw.ts';
import type { Float64Tensor } from './float64-array.ts';
import { finiteDifferences, interpret } from './float64-interpreter.ts';
import { identityCase, operatorCases, reduction } from './operator-cases.ts';
import type { OperatorCase } from './operator-cases.ts';
import { nodesOf, relativeError, runGraph } from './run-graph.ts';

/** Either of two calls that make the same operator. */
const either =
  (one: OperatorCase, other: OperatorCase): OperatorCase =>
  (draw) =>
    draw.oneOf(one, other)(draw);

/** Calls by ONNX operator; the inputs stay away from kinks. */
const cases: Readonly<Record<string, OperatorCase>> = {
  Add: operatorCases.add,
  Sub: operatorCases.sub,
  Mul: operatorCases.mul,
  Div: operatorCases.div,
  Max: operatorCases.max,
  Min: operatorCases.min,
  Pow: operatorCases.pow,
  Neg: operatorCases.neg,
  Sqrt: operatorCases.sqrt,
  Reciprocal: operatorCases.reciprocal,
  Exp: operatorCases.exp,
  Log: operatorCases.log,
  Erf: operatorCases.erf,
  Tanh: operatorCases.tanh,
  Sigmoid: operatorCases.sigmoid,
  Relu: operatorCases.relu,
  Abs: operatorCases.abs,
  Gelu: operatorCases.gelu,
  Cast: (draw) => [cast(cast(draw.floats(draw.shape(0)), 'float64'), 'float32')],
  Where: operatorCases.where,
  MatMul: operatorCases.matMul,
  Gemm: operatorCases.gemm,
  Identity: identityCase,
  Reshape: operatorCases.reshape,
  Transpose: operatorCases.transpose,
  Slice: either(operatorCases.slice, operatorCases.dynamicSlice),
  Concat: operatorCases.concat,
  Pad: operatorCases.pad,
  Expand: operatorCases.expandLike,
  Split: operatorCases.split,
  ReduceSum: operatorCases.reduceSum,
  ReduceMean: operatorCases.reduceMean,
  ReduceL2: reduction(reduceL2, 'away from zero'),
  Softmax: operatorCases.softmax,
  LogSoftmax: operatorCases.logSoftmax,
  // The statistics have no rule, and say so (gradients.test.ts).
  LayerNormalization: (draw) => operatorCases.layerNormalization(draw).slice(0, 1),
  GatherND: operatorCases.gatherND,
  Gather: operatorCases.gather,
};

const sumOf = (x: Tensor): Tensor =>
  reduceSum(
    x,
    x.shape.map((_, axis) => axis),
  );

/**
 * `Σ weights·results` with random weights, so that every element of every result counts
 * differently.
 */
function weightedSum(draw: Draw, results: readonly Tensor[]): Tensor {
  return results
    .map((result) => sumOf(mul(result, draw.floats(result.shape, 'away from zero'))))
    .reduce((total, part) => add(total, part));
}

const zeros = (shape: readonly number[]): Float64Tensor => ({
  shape,
  data: new Float64Array(shape.reduce((product, size) => product * size, 1)),
});

describe('every gradient rule equals finite differences', () => {
  it.each(Object.entries(cases))('%s', async (operator, makeCase) => {
    await fc.assert(
      fc.asyncProperty(drawing(), async (draw) => {
        const results = makeCase(draw).filter(({ type }) => type === 'float32');
        // Some calls fold to nothing; those are drawn again.
        fc.pre([...nodesOf(results)].some((node) => node.operator === operator));
        const wrt = draw.inputs.filter(({ type }) => type === 'float32');
        const loss = weightedSum(draw, results);
        const symbolic = gradients(loss, wrt);
        const present = symbolic.filter((gradient) => gradient !== undefined);
        const exact = interpret(present, draw.values);
        const computed = await runGraph(present, draw.inputs, draw.feeds());
        wrt.forEach((tensor, index) => {
          const gradient = symbolic[index];
          const differences = finiteDifferences(loss, tensor, draw.values);
          const at = gradient === undefined ? -1 : present.indexOf(gradient);
          const [inDouble, inSingle] = [
            exact[at] ?? zeros(differences.shape),
            computed[at] ?? zeros(differences.shape),
          ];
          expect(relativeError(inDouble, differences), 'in float64').toBeLessThan(1e-6);
          expect(relativeError(inSingle, differences, 0.1), 'in ONNX Runtime').toBeLessThan(2e-5);
        });
      }),
      { numRuns: 20 },
    );
  });

  it('and none is left out', () => {
    expect(Object.keys(cases).sort()).toEqual(Object.keys(gradientRules).sort());
  });
});
