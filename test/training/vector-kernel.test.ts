/**
 * Kernels against plain float32 loops, to the bit: wherever the vectors lie, whatever the range.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arithmetic, VectorKernel } from '../../src/training/vector-kernel.ts';
import type { Expression } from '../../src/training/vector-kernel.ts';
import { scratchLength, VectorMemory } from '../../src/training/vector-memory.ts';
import { randomValues } from '../random-network.ts';

const vectorNames = ['a', 'b', 'c'] as const;
const scalarNames = ['x', 'y'] as const;
const operators = ['add', 'sub', 'mul', 'div', 'sqrt'] as const;

type Leaf = (typeof vectorNames)[number] | (typeof scalarNames)[number];
type Formula = Leaf | readonly [(typeof operators)[number], Formula, Formula];

const formula: fc.Arbitrary<Formula> = fc.letrec<{ formula: Formula }>((tie) => ({
  formula: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom<Leaf>(...vectorNames, ...scalarNames),
    fc.tuple(fc.constantFrom(...operators), tie('formula'), tie('formula')),
  ),
})).formula;

/** The formula as an expression. */
function expressionOf(formulaOf: Formula, leaves: Readonly<Record<Leaf, Expression>>): Expression {
  if (typeof formulaOf === 'string') return leaves[formulaOf];
  const [operator, left, right] = formulaOf;
  const first = expressionOf(left, leaves);
  if (operator === 'sqrt') return arithmetic.sqrt(first);
  return arithmetic[operator](first, expressionOf(right, leaves));
}

/** The formula in plain JavaScript; one rounding to float32 per operation is float32 arithmetic. */
function valueOf(formulaOf: Formula, leaves: Readonly<Record<Leaf, number>>): number {
  if (typeof formulaOf === 'string') return Math.fround(leaves[formulaOf]);
  const [operator, left, right] = formulaOf;
  const [first, second] = [valueOf(left, leaves), valueOf(right, leaves)];
  const results = {
    add: first + second,
    sub: first - second,
    mul: first * second,
    div: first / second,
    sqrt: Math.sqrt(first),
  };
  return Math.fround(results[operator]);
}

const vectorsFrom = (make: () => Float32Array, length: number): Record<'a' | 'b' | 'c', Float32Array> => {
  const [a, b, c] = [1, 2, 3].map((seed) => {
    const vector = make();
    vector.set(randomValues(length, seed));
    return vector;
  }) as [Float32Array, Float32Array, Float32Array];
  return { a, b, c };
};

describe('a kernel', () => {
  it('computes what its expressions say, in a range and nowhere else', () => {
    const lengths = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(scratchLength, 2 * scratchLength + 3));
    const inputs = {
      formulas: fc.tuple(formula, formula),
      length: lengths,
      from: fc.double({ min: 0, max: 1, noNaN: true }),
      to: fc.double({ min: 0, max: 1, noNaN: true }),
      inside: fc.integer({ min: 0, max: 3 }),
      x: fc.float({ noNaN: true }),
      y: fc.float({ noNaN: true }),
    };
    fc.assert(
      fc.property(fc.record(inputs), ({ formulas, length, from, to, inside, x, y }) => {
        const start = Math.floor(Math.min(from, to) * length);
        const end = Math.ceil(Math.max(from, to) * length);
        // As many of the three vectors as `inside` says lie in the kernel's memory.
        const memory = new VectorMemory(length, inside);
        const vectors = vectorsFrom(() => memory.vector(), length);
        const before = vectorsFrom(() => new Float32Array(length), length);
        const kernel = new VectorKernel(memory, vectorNames, scalarNames, (vector, scalar) => {
          const leaves = { ...vector, ...scalar };
          const a = expressionOf(formulas[0], leaves);
          // An expression that two assignments share.
          return { a, c: arithmetic.add(a, expressionOf(formulas[1], leaves)) };
        });
        kernel.run(vectors, { x, y }, start, end);
        const wrong: number[] = [];
        for (let index = 0; index < length; index++) {
          const leaves = { a: before.a[index] ?? 0, b: before.b[index] ?? 0, c: before.c[index] ?? 0, x, y };
          const worked = index >= start && index < end;
          const a = worked ? valueOf(formulas[0], leaves) : leaves.a;
          const c = worked ? valueOf(['add', ...formulas], leaves) : leaves.c;
          const same =
            Object.is(vectors.a[index], a) && vectors.b[index] === leaves.b && Object.is(vectors.c[index], c);
          if (!same) wrong.push(index);
        }
        expect(wrong).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the memory of vectors', () => {
  it('gives vectors of zeros that do not overlap, and goes on elsewhere where it is full', () => {
    const memory = new VectorMemory(5, 2);
    const vectors = [0, 1, 2].map(() => memory.vector());
    expect(vectors.every((vector) => vector.length === 5 && vector.every((value) => value === 0))).toBe(true);
    vectors.forEach((vector, index) => vector.fill(index + 1));
    expect(vectors.map((vector) => [...new Set(vector)])).toEqual([[1], [2], [3]]);
    expect(vectors.map(({ buffer }) => buffer === memory.memory.buffer)).toEqual([true, true, false]);
  });

  it('takes no more than 32-bit addresses reach', () => {
    // Two vectors of 3 GiB: neither is touched, so neither takes memory.
    const memory = new VectorMemory(3 * 2 ** 28, 2);
    expect(memory.vector().buffer).toBe(memory.memory.buffer);
    expect(memory.memory.buffer.byteLength).toBeLessThanOrEqual(2 ** 32);
  });
});
