/**
 * Random small graphs for property tests: sizes, shapes with a named batch dimension, values that
 * float32 holds exactly. fast-check draws every number, so that failures shrink.
 */
import * as fc from 'fast-check';
import { elementCount, input, int64Vector } from '../../src/graph/tensor.ts';
import type { Dimension, Shape, Tensor } from '../../src/graph/tensor.ts';
import type { RuntimeTensor } from '../../src/runtime/runtime.ts';
import type { Float64Tensor } from './float64-array.ts';

/** Which values a float input takes: any of −2…2, 0.5…2.5, or the same with both signs. */
export type Range = 'any' | 'positive' | 'away from zero';

type Generator = fc.GeneratorValue;

/** Draws parts of a graph and remembers the values of its inputs. */
export class Draw {
  readonly inputs: Tensor[] = [];
  readonly values = new Map<Tensor, Float64Tensor>();
  readonly #generator: Generator;
  readonly #names = new Map<string, number>();

  constructor(generator: Generator) {
    this.#generator = generator;
  }

  /** One of some values. */
  oneOf<T>(...values: readonly T[]): T {
    return values[this.integer(0, values.length - 1)] as T;
  }

  /** An integer between two bounds. */
  integer(min: number, max: number): number {
    return this.#generator(fc.integer, { min, max });
  }

  /** A dimension of 1 … 4. */
  size(): number {
    return this.integer(1, 4);
  }

  /** A shape whose first dimension is the named batch in half of the cases. */
  shape(minimumRank: number, maximumRank = 4): Shape {
    const sizes = Array.from({ length: this.integer(minimumRank, maximumRank) }, () => this.size());
    return sizes.length > 0 && this.oneOf(true, false) ? [this.named('batch'), ...sizes.slice(1)] : sizes;
  }

  /** A dimension known only at run time. */
  named(name: string): Dimension {
    if (!this.#names.has(name)) this.#names.set(name, this.size());
    return name;
  }

  /** A named or a plain dimension, so that both are tried. */
  dimension(name: string): Dimension {
    return this.oneOf(true, false) ? this.named(name) : this.size();
  }

  /**
   * Two shapes that broadcast against each other: either lacks leading axes, or has ones for some.
   */
  broadcastPair(maximumRank = 4): [Shape, Shape] {
    const whole = this.shape(0, maximumRank);
    const smaller = (): Shape => {
      const cut = this.integer(0, whole.length);
      return whole.slice(cut).map((size) => (this.oneOf(true, false) ? 1 : size));
    };
    return this.oneOf<[Shape, Shape]>([whole, smaller()], [smaller(), whole], [whole, whole]);
  }

  /** Sizes at run time; `batch*3` and `1+n` are computed. */
  sizes(shape: Shape): number[] {
    return shape.map((size) => this.#value(String(size)));
  }

  /** A float32 input of multiples of 1/64; `offset` (below 1/64) keeps two inputs apart. */
  floats(shape: Shape, range: Range = 'any', offset = 0): Tensor {
    const sizes = this.sizes(shape);
    const length = elementCount(sizes);
    const steps = this.#generator(fc.array<number>, fc.integer({ min: -128, max: 128 }), {
      minLength: length,
      maxLength: length,
    });
    const data = Float64Array.from(steps, (step) => {
      if (range === 'any') return step / 64 + offset;
      const magnitude = Math.abs(step) / 64 + 0.5;
      return (range === 'positive' || step >= 0 ? magnitude : -magnitude) + offset;
    });
    return this.#input('float32', shape, sizes, data);
  }

  /**
   * A float32 input of distinct values at least 1/4 apart, in random order; `offset` shifts them.
   */
  distinct(shape: Shape, offset = 0): Tensor {
    const sizes = this.sizes(shape);
    const length = elementCount(sizes);
    const order = this.#generator(
      fc.shuffledSubarray<number>,
      Array.from({ length }, (_, index) => index),
      { minLength: length },
    );
    return this.#input(
      'float32',
      shape,
      sizes,
      Float64Array.from(order, (rank) => rank / 4 - length / 8 + offset),
    );
  }

  /** A bool input. */
  booleans(shape: Shape): Tensor {
    return this.#integers('bool', shape, 2);
  }

  /** An int64 input of indices below a bound. */
  indices(shape: Shape, bound: number): Tensor {
    return this.#integers('int64', shape, bound);
  }

  /** An int64 vector of one element: a constant or an input. */
  bound(value: number): Tensor {
    if (this.oneOf(true, false)) return int64Vector([value]);
    return this.#input('int64', [1], [1], Float64Array.of(value));
  }

  /** What a session is fed. */
  feeds(): Record<string, RuntimeTensor> {
    return Object.fromEntries(
      this.inputs.map((tensor, index) => {
        const { shape, data } = this.values.get(tensor) as Float64Tensor;
        return [`x${index}`, { type: tensor.type, shape, data: typedArray(tensor, data) }];
      }),
    );
  }

  #integers(type: 'bool' | 'int64', shape: Shape, bound: number): Tensor {
    const sizes = this.sizes(shape);
    const length = elementCount(sizes);
    const drawn = this.#generator(fc.array<number>, fc.nat(bound - 1), { minLength: length, maxLength: length });
    return this.#input(type, shape, sizes, Float64Array.from(drawn));
  }

  #input(type: Tensor['type'], shape: Shape, sizes: readonly number[], data: Float64Array): Tensor {
    const tensor = input(`x${this.inputs.length}`, type, shape);
    this.inputs.push(tensor);
    this.values.set(tensor, { shape: sizes, data });
    return tensor;
  }

  /** Sums of products; brackets hold a sum inside a product. */
  #value(expression: string): number {
    const open = expression.lastIndexOf('(');
    if (open >= 0) {
      const close = expression.indexOf(')', open);
      const inner = this.#value(expression.slice(open + 1, close));
      return this.#value(expression.slice(0, open) + String(inner) + expression.slice(close + 1));
    }
    const factor = (text: string): number => this.#names.get(text) ?? Number(text);
    const terms = expression
      .split('+')
      .map((term) => term.split('*').reduce((product, text) => product * factor(text), 1));
    return terms.reduce((sum, term) => sum + term, 0);
  }
}

function typedArray(tensor: Tensor, data: Float64Array): RuntimeTensor['data'] {
  if (tensor.type === 'int64') return BigInt64Array.from(data, BigInt);
  return tensor.type === 'bool' ? Uint8Array.from(data) : Float32Array.from(data);
}

/** An arbitrary for `fc.asyncProperty`, from which a `Draw` takes its numbers. */
export const drawing = (): fc.Arbitrary<Draw> => fc.gen().map((generator) => new Draw(generator));
