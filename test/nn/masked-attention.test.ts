/**
 * Masked attention against eq. 11–12 of arXiv 2305.17997 in plain loops, and its gradients against
 * differences of those.
 */
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../src/data/random.ts';
import { gradients } from '../../src/graph/gradients/index.ts';
import { mul, reduceSum } from '../../src/graph/operators/index.ts';
import { input } from '../../src/graph/tensor.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { maskedAttention } from '../../src/nn/masked-attention.ts';
import { elementAt, fromPositions } from '../graph/float64-array.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { interpret } from '../graph/float64-interpreter.ts';

const [batch, heads, tokens, width] = [2, 2, 5, 4];

interface Operands {
  readonly queries: Float64Tensor;
  readonly keys: Float64Tensor;
  readonly values: Float64Tensor;
  readonly mask: Float64Tensor;
  readonly size: Float64Tensor | undefined;
}

/**
 * `Ŝ_ij = e^{A_ij}·size_j·G_ij / Σ_j …`, `G_ij` = mask_j, but 1 for i = j where tokens attend to
 * themselves.
 */
function attentionMap(operands: Operands, toThemselves: boolean): Float64Tensor {
  const { queries, keys, mask, size } = operands;
  const rows = queries.shape[2] as number;
  const weight = (b: number, h: number, i: number, j: number): number => {
    let product = 0;
    for (let d = 0; d < width; d++) product += elementAt(queries, [b, h, i, d]) * elementAt(keys, [b, h, j, d]);
    const seen = toThemselves && i === j ? 1 : elementAt(mask, [b, j, 0]);
    return Math.exp(product / Math.sqrt(width)) * (size === undefined ? 1 : elementAt(size, [b, j, 0])) * seen;
  };
  return fromPositions([batch, heads, rows, tokens], ([b = 0, h = 0, i = 0, j = 0]) => {
    let total = 0;
    for (let k = 0; k < tokens; k++) total += weight(b, h, i, k);
    return weight(b, h, i, j) / total;
  });
}

/** What tokens receive: the mean over heads and those rows whose token is there. */
function receivedOf(map: Float64Tensor, mask: Float64Tensor): Float64Tensor {
  return fromPositions([batch, tokens, 1], ([b = 0, j = 0]) => {
    let [sum, there] = [0, 0];
    for (let i = 0; i < tokens; i++) {
      if (elementAt(mask, [b, i, 0]) === 0) continue;
      there += heads;
      for (let h = 0; h < heads; h++) sum += elementAt(map, [b, h, i, j]);
    }
    return sum / there;
  });
}

function attentionOutput(operands: Operands, toThemselves: boolean): Float64Tensor {
  const map = attentionMap(operands, toThemselves);
  const rows = operands.queries.shape[2] as number;
  return fromPositions([batch, heads, rows, width], ([b = 0, h = 0, i = 0, d = 0]) => {
    let sum = 0;
    for (let j = 0; j < tokens; j++) sum += elementAt(map, [b, h, i, j]) * elementAt(operands.values, [b, h, j, d]);
    return sum;
  });
}

/**
 * The class token is always there; the others are or are not, or, unless `binary`, have masks in
 * (0, 1).
 */
function drawn(seed: number, rows: number, sized: boolean, binary: boolean): Operands {
  const random = new RandomGenerator(seed);
  const normal = (count: number): Float64Tensor => fromPositions([batch, heads, count, width], () => random.normal());
  return {
    queries: normal(rows),
    keys: normal(tokens),
    values: normal(tokens),
    mask: fromPositions([batch, tokens, 1], ([, token = 0]) => {
      if (token === 0) return 1;
      return binary ? random.integer(2) : random.uniform(0.1, 0.9);
    }),
    size: sized ? fromPositions([batch, tokens, 1], () => random.uniform(1, 4)) : undefined,
  };
}

interface Symbols {
  readonly queries: Tensor;
  readonly keys: Tensor;
  readonly values: Tensor;
  readonly mask: Tensor;
  readonly size: Tensor | undefined;
}

function symbolsOf(operands: Operands): Symbols {
  const of = (name: string, value: Float64Tensor): Tensor => input(name, 'float32', value.shape);
  return {
    queries: of('queries', operands.queries),
    keys: of('keys', operands.keys),
    values: of('values', operands.values),
    mask: of('mask', operands.mask),
    size: operands.size === undefined ? undefined : of('size', operands.size),
  };
}

const names = ['queries', 'keys', 'values', 'mask', 'size'] as const;

function feedsOf(symbols: Symbols, operands: Operands): Map<Tensor, Float64Tensor> {
  const feeds = new Map<Tensor, Float64Tensor>();
  for (const name of names) {
    const [symbol, value] = [symbols[name], operands[name]];
    if (symbol !== undefined && value !== undefined) feeds.set(symbol, value);
  }
  return feeds;
}

function expectClose(found: Float64Tensor | undefined, wanted: Float64Tensor, tolerance: number): void {
  expect(found?.shape).toEqual(wanted.shape);
  const largest = wanted.data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  wanted.data.forEach((value, index) =>
    expect(Math.abs(value - (found?.data[index] ?? NaN)) / largest).toBeLessThan(tolerance),
  );
}

const variants = [true, false].flatMap((toThemselves) =>
  [true, false].flatMap((sized) =>
    [true, false].flatMap((binary) =>
      // A class token that attends alone has no diagonal.
      (toThemselves ? [tokens] : [tokens, 1]).map((rows) => ({ toThemselves, sized, binary, rows })),
    ),
  ),
);

describe.each(variants)(
  'masked attention, to themselves $toThemselves, sizes $sized, binary masks $binary, $rows queries',
  ({ toThemselves, sized, binary, rows }) => {
    const operands = drawn(rows + 7, rows, sized, binary);
    const symbols = symbolsOf(operands);
    const { output, classAttention, attentionReceived } = maskedAttention({ ...symbols, toThemselves });

    it('is the formula of the paper', () => {
      // Where the class token attends alone, nobody asks what tokens receive.
      const asked = rows === tokens ? [attentionReceived()] : [];
      const [found, row, received] = interpret([output, classAttention(), ...asked], feedsOf(symbols, operands));
      expectClose(found, attentionOutput(operands, toThemselves), 1e-9);
      const map = attentionMap(operands, toThemselves);
      const first = fromPositions([batch, heads, tokens], ([b = 0, h = 0, j = 0]) => elementAt(map, [b, h, 0, j]));
      expectClose(row, first, 1e-9);
      if (binary && rows === tokens) expectClose(received, receivedOf(map, operands.mask), 1e-9);
    });

    it('has the gradients of the formula', () => {
      const random = new RandomGenerator(3);
      const price = fromPositions([batch, heads, rows, width], () => random.normal());
      const priceSymbol = input('price', 'float32', price.shape);
      const loss = reduceSum(mul(output, priceSymbol), [0, 1, 2, 3]);
      const present = names.filter((name) => operands[name] !== undefined);
      const found = gradients(
        loss,
        present.map((name) => symbols[name] as Tensor),
      );
      const results = interpret(
        found.map((gradient) => gradient as Tensor),
        feedsOf(symbols, operands).set(priceSymbol, price),
      );
      const lossOf = (changed: Operands): number => {
        const value = attentionOutput(changed, toThemselves);
        return value.data.reduce((sum, element, index) => sum + element * (price.data[index] as number), 0);
      };
      present.forEach((name, position) => {
        const { shape, data } = operands[name] as Float64Tensor;
        const step = 1e-5;
        const at = (index: number, change: number): number =>
          lossOf({ ...operands, [name]: { shape, data: data.with(index, (data[index] as number) + change) } });
        const wanted = { shape, data: data.map((_, index) => (at(index, step) - at(index, -step)) / (2 * step)) };
        expectClose(results[position], wanted, 1e-7);
      });
    });

    it('sends no gradient through the attention that importance is made of', () => {
      for (const tensor of rows === tokens ? [classAttention(), attentionReceived()] : [classAttention()]) {
        const through = gradients(reduceSum(tensor, [0, 1, 2]), [symbols.keys, symbols.mask]);
        expect(through).toEqual([undefined, undefined]);
      }
    });
  },
);

describe('a removed token', () => {
  it('changes nothing for the kept ones, and still has a gradient', () => {
    const operands = drawn(1, tokens, true, true);
    const gone = 2;
    const masked = { ...operands, mask: fromPositions([batch, tokens, 1], ([, token]) => Number(token !== gone)) };
    const symbols = symbolsOf(masked);
    const { output } = maskedAttention({ ...symbols, toThemselves: true });
    const moved = fromPositions([batch, heads, tokens, width], (position) =>
      position[2] === gone ? 9 : elementAt(operands.values, position),
    );
    const [before, after] = [masked, { ...masked, values: moved }].map(
      (given) => interpret([output], feedsOf(symbols, given))[0] as Float64Tensor,
    );
    before?.data.forEach((value, index) => {
      if (Math.floor(index / width) % tokens !== gone) expect(after?.data[index]).toBe(value);
    });
    const [gradient] = gradients(reduceSum(output, [0, 1, 2, 3]), [symbols.mask]);
    const [values] = interpret([gradient as Tensor], feedsOf(symbols, masked));
    for (let b = 0; b < batch; b++)
      expect(Math.abs(elementAt(values as Float64Tensor, [b, gone, 0]))).toBeGreaterThan(1e-3);
  });
});
