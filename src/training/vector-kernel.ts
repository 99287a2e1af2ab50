/**
 * Element-wise arithmetic on vectors, four elements at a time: an expression over vectors and
 * scalars becomes a WebAssembly function of one loop. A loop in JavaScript computes one element at
 * a time, in float64; this one is bound by memory alone. Each operation is float32's, as in
 * PyTorch: the result is the same to the bit on every machine.
 *
 * Opcodes and encoding: https://webassembly.github.io/spec/core/binary/
 */
import { scratchLength } from './vector-memory.ts';
import type { VectorMemory } from './vector-memory.ts';

/** Opcodes of four floats at a time, all behind the prefix of vector instructions. */
const operators = { add: 0xe4, sub: 0xe5, mul: 0xe6, div: 0xe7, sqrt: 0xe3 } as const;

/** A value per element: something that a kernel reads, or an operation on such. */
export type Expression =
  | { readonly kind: 'vector' | 'scalar'; readonly name: string }
  | { readonly kind: 'operation'; readonly operator: keyof typeof operators; readonly operands: readonly Expression[] };

const operation =
  (operator: keyof typeof operators) =>
  (...operands: readonly [Expression, Expression]): Expression => ({ kind: 'operation', operator, operands });

/** Float32 arithmetic on expressions. An expression that is used twice is computed once. */
export const arithmetic = {
  add: operation('add'),
  sub: operation('sub'),
  mul: operation('mul'),
  div: operation('div'),
  sqrt: (x: Expression): Expression => ({ kind: 'operation', operator: 'sqrt', operands: [x] }),
};

/** What a kernel assigns to its vectors, from what all of them were before. */
export type Definition<Vector extends string, Scalar extends string> = (
  vectors: Readonly<Record<Vector, Expression>>,
  scalars: Readonly<Record<Scalar, Expression>>,
) => Readonly<Partial<Record<Vector, Expression>>>;

type Call = (bytes: number, ...addressesAndScalars: number[]) => void;

/** A compiled kernel over up to 8 vectors. */
export class VectorKernel<Vector extends string, Scalar extends string = never> {
  readonly #memory: ArrayBuffer;
  readonly #vectors: readonly Vector[];
  readonly #scalars: readonly Scalar[];
  readonly #written: readonly Vector[];
  readonly #call: Call;
  readonly #scratch: readonly Float32Array[];

  constructor(
    { memory }: VectorMemory,
    vectors: readonly Vector[],
    scalars: readonly Scalar[],
    define: Definition<Vector, Scalar>,
  ) {
    const assigned = define(named('vector', vectors), named('scalar', scalars));
    const module = new WebAssembly.Module(assemble(vectors, scalars, assigned));
    this.#call = new WebAssembly.Instance(module, { vectors: { memory } }).exports['kernel'] as Call;
    this.#memory = memory.buffer as ArrayBuffer;
    this.#vectors = vectors;
    this.#scalars = scalars;
    this.#written = vectors.filter((name) => assigned[name] !== undefined);
    this.#scratch = vectors.map(
      (_, index) => new Float32Array(memory.buffer, 4 * index * scratchLength, scratchLength),
    );
  }

  /**
   * Works on elements from `start` to before `end`.
   * @param vectors best all of the kernel's `VectorMemory`: elements of others are copied in and
   *   out.
   */
  run(
    vectors: Readonly<Record<Vector, Float32Array>>,
    scalars: Readonly<Record<Scalar, number>>,
    start: number,
    end: number,
  ): void {
    const inPlace = this.#vectors.every((name) => vectors[name].buffer === this.#memory);
    const values = this.#scalars.map((name) => scalars[name]);
    let at = start;
    if (inPlace) {
      const fours = Math.floor((end - start) / 4);
      const addresses = this.#vectors.map((name) => vectors[name].byteOffset + 4 * start);
      if (fours > 0) this.#call(16 * fours, ...addresses, ...values);
      at += 4 * fours;
    }
    const scratchAddresses = this.#scratch.map(({ byteOffset }) => byteOffset);
    // Up to three elements at the end, or all of them.
    for (; at < end; at += scratchLength) {
      const next = Math.min(end, at + scratchLength);
      this.#vectors.forEach((name, index) => this.#scratch[index]?.set(vectors[name].subarray(at, next)));
      this.#call(16 * Math.ceil((next - at) / 4), ...scratchAddresses, ...values);
      for (const name of this.#written) {
        const results = this.#scratch[this.#vectors.indexOf(name)];
        if (results !== undefined) vectors[name].set(results.subarray(0, next - at), at);
      }
    }
  }
}

function named<Name extends string>(kind: 'vector' | 'scalar', names: readonly Name[]): Record<Name, Expression> {
  return Object.fromEntries(names.map((name) => [name, { kind, name }])) as unknown as Record<Name, Expression>;
}

/** An unsigned integer as WebAssembly writes it (LEB128). */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [0x80 | (value & 0x7f), ...unsigned(value >>> 7)];
}

const list = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()];
const bytesOf = (content: readonly number[]): number[] => [...unsigned(content.length), ...content];
const text = (value: string): number[] => bytesOf([...value].map((letter) => letter.charCodeAt(0)));
const section = (id: number, items: readonly (readonly number[])[]): number[] => [id, ...bytesOf(list(items))];

const magicAndVersion = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const [int32, float32, float32x4] = [0x7f, 0x7d, 0x7b];
const localGet = (index: number): number[] => [0x20, ...unsigned(index)];
const localSet = (index: number): number[] => [0x21, ...unsigned(index)];
const localTee = (index: number): number[] => [0x22, ...unsigned(index)];
const vectorInstruction = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];
// Loads and stores promise an alignment of 4 bytes (2²) and add no offset.
const load = [...vectorInstruction(0x00), 2, 0];
const store = [...vectorInstruction(0x0b), 2, 0];
const splat = vectorInstruction(0x13);
const [constantInt32, addInt32, lessUnsigned, drop] = [0x41, 0x6a, 0x49, 0x1a];
const [loop, noResult, branchIf, end] = [0x03, 0x40, 0x0d, 0x0b];

/**
 * A module with the function `kernel(bytes, address of each vector…, scalar…)`.
 * Its locals after the parameters are the position in bytes,
 * then one float32x4 per scalar and one per vector and operation.
 */
function assemble(
  vectors: readonly string[],
  scalars: readonly string[],
  assigned: Readonly<Record<string, Expression | undefined>>,
): Uint8Array<ArrayBuffer> {
  const parameters = [int32, ...vectors.map(() => int32), ...scalars.map(() => float32)];
  const position = parameters.length;
  let locals = position + 1;
  const known = new Map<Expression | string, number>();
  const prologue = scalars.flatMap((name, index) => {
    known.set(`scalar ${name}`, locals);
    return [...localGet(1 + vectors.length + index), ...splat, ...localSet(locals++)];
  });
  const address = (name: string): number[] => [...localGet(1 + vectors.indexOf(name)), ...localGet(position), addInt32];
  /** Pushes a value, which a local remembers. */
  const push = (value: Expression): number[] => {
    const key = value.kind === 'operation' ? value : `${value.kind} ${value.name}`;
    const local = known.get(key);
    if (local !== undefined) return localGet(local);
    const computed =
      value.kind === 'operation'
        ? [...value.operands.flatMap(push), ...vectorInstruction(operators[value.operator])]
        : [...address(value.name), ...load];
    known.set(key, locals);
    return [...computed, ...localTee(locals++)];
  };
  const results = vectors.flatMap((name) => {
    const value = assigned[name];
    return value === undefined ? [] : [{ name, value }];
  });
  // All values before the first store: an assignment sees what its vectors were.
  const values = results.flatMap(({ value }) => [...push(value), drop]);
  const stores = results.flatMap(({ name, value }) => [...address(name), ...push(value), ...store]);
  const advance = [...localGet(position), constantInt32, 16, addInt32, ...localTee(position)];
  const repeat = [...localGet(0), lessUnsigned, branchIf, 0];
  const body = [...prologue, loop, noResult, ...values, ...stores, ...advance, ...repeat, end, end];
  const declared = list([
    [1, int32],
    [...unsigned(locals - position - 1), float32x4],
  ]);
  return Uint8Array.from([
    ...magicAndVersion,
    ...section(1, [[0x60, ...list(parameters.map((type) => [type])), 0]]),
    ...section(2, [[...text('vectors'), ...text('memory'), 2, 0, 1]]),
    ...section(3, [[0]]),
    ...section(7, [[...text('kernel'), 0, 0]]),
    ...section(10, [bytesOf([...declared, ...body])]),
  ]);
}
