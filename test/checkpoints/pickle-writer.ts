/**
 * A tiny writer of Python pickles (protocol 2, as `torch.save` uses), for building checkpoints,
 * honest and hostile, in tests.
 */

/** A Python tuple. */
export class Tuple {
  readonly items: readonly PickleValue[];
  constructor(...items: readonly PickleValue[]) {
    this.items = items;
  }
}

/** A Python function or class by `module` and `name`. */
export class Global {
  readonly module: string;
  readonly name: string;
  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }
}

/** The value of `callable(*values)`; with `state`, also its `__setstate__`. */
export class Call {
  readonly callable: Global;
  readonly values: Tuple;
  readonly state: PickleValue | undefined;
  constructor(callable: Global, values: Tuple, state?: PickleValue) {
    this.callable = callable;
    this.values = values;
    this.state = state;
  }
}

/** A persistent id (PyTorch: a storage). */
export class Persistent {
  readonly id: PickleValue;
  constructor(id: PickleValue) {
    this.id = id;
  }
}

/** What the writer can write; arrays become lists, maps dicts. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly PickleValue[]
  | ReadonlyMap<PickleValue, PickleValue>
  | Tuple
  | Global
  | Call
  | Persistent;

/** The pickle of a value. */
export function pickle(value: PickleValue): Uint8Array {
  return Uint8Array.from([0x80, 2, ...instructions(value), 0x2e]);
}

/** The instructions that leave a value on the stack. */
export function instructions(value: PickleValue): number[] {
  if (value === null) return [0x4e];
  if (typeof value === 'boolean') return [value ? 0x88 : 0x89];
  if (typeof value === 'bigint') return longInstruction(value);
  if (typeof value === 'number')
    return Number.isInteger(value) ? longInstruction(BigInt(value)) : floatInstruction(value);
  if (typeof value === 'string') {
    const text = [...new TextEncoder().encode(value)];
    return [0x58, ...uint32(text.length), ...text];
  }
  if (value instanceof Tuple) return [0x28, ...value.items.flatMap(instructions), 0x74];
  if (value instanceof Global) return [0x63, ...ascii(`${value.module}\n${value.name}\n`)];
  if (value instanceof Persistent) return [...instructions(value.id), 0x51];
  if (value instanceof Call) {
    const state = value.state === undefined ? [] : [...instructions(value.state), 0x62];
    return [...instructions(value.callable), ...instructions(value.values), 0x52, ...state];
  }
  if (value instanceof Map) return [0x7d, 0x28, ...[...value].flat().flatMap(instructions), 0x75];
  const items = value as readonly PickleValue[];
  return [0x5d, 0x28, ...items.flatMap(instructions), 0x65];
}

function longInstruction(value: bigint): number[] {
  if (value >= 0n && value < 256n) return [0x4b, Number(value)];
  if (BigInt.asIntN(32, value) === value) return [0x4a, ...uint32(Number(BigInt.asUintN(32, value)))];
  const bytes = Array.from({ length: 9 }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
  return [0x8a, 9, ...bytes];
}

function floatInstruction(value: number): number[] {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, false);
  return [0x47, ...bytes];
}

function uint32(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff];
}

function ascii(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}
