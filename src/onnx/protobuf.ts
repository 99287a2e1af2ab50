/**
 * The protobuf wire format (protobuf.dev/programming-guides/encoding), as much of it as ONNX needs.
 * The writer collects chunks and keeps large byte fields as references, so weights are never
 * copied; the reader walks fields of a buffer and hands out views.
 */
import { DiffrateError } from '../errors.ts';

const smallField = 1024;

const largestInt64 = 2n ** 63n - 1n;

/**
 * Two's complement of an integer; the largest int64, which rounds up as a number, stays the
 * largest.
 */
function int64Bits(value: number): bigint {
  const integer = BigInt(value);
  return BigInt.asUintN(64, integer > largestInt64 ? largestInt64 : integer);
}

/** Collects the encoding of one message; nested messages are writers of their own. */
export class ProtobufWriter {
  readonly #chunks: Uint8Array[] = [];
  #pending: number[] = [];
  #length = 0;

  /** Number of bytes written so far. */
  get length(): number {
    return this.#length + this.#pending.length;
  }

  /** Writes an integer field (wire type 0); negative numbers take ten bytes, as int64 does. */
  int(field: number, value: number): this {
    this.#varint(BigInt(field * 8));
    this.#varint(int64Bits(value));
    return this;
  }

  /** Writes a float field (wire type 5). */
  float(field: number, value: number): this {
    this.#varint(BigInt(field * 8 + 5));
    this.#pending.push(...new Uint8Array(new Float32Array([value]).buffer));
    return this;
  }

  /** Writes a byte field (wire type 2); more than a kilobyte is kept by reference. */
  bytes(field: number, value: Uint8Array): this {
    this.#header(field, value.length);
    if (value.length > smallField) {
      this.#flush();
      this.#append(value);
    } else {
      this.#pending.push(...value);
    }
    return this;
  }

  /** Writes a UTF-8 string field. */
  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  /** Writes a nested message. */
  message(field: number, value: ProtobufWriter): this {
    this.#header(field, value.length);
    this.#flush();
    for (const chunk of value.chunks()) this.#append(chunk);
    return this;
  }

  /** Writes repeated integers packed in one field. */
  packedInts(field: number, values: readonly number[]): this {
    const inner = new ProtobufWriter();
    for (const value of values) inner.#varint(int64Bits(value));
    return this.message(field, inner);
  }

  /** Writes repeated floats packed in one field. */
  packedFloats(field: number, values: readonly number[]): this {
    return this.bytes(field, new Uint8Array(new Float32Array(values).buffer));
  }

  /** The encoding in order, as chunks that may be views of the caller's data. */
  chunks(): readonly Uint8Array[] {
    this.#flush();
    return this.#chunks;
  }

  #header(field: number, length: number): void {
    this.#varint(BigInt(field * 8 + 2));
    this.#varint(BigInt(length));
  }

  #varint(value: bigint): void {
    if (value < 0x80n) {
      this.#pending.push(Number(value));
      return;
    }
    let rest = value;
    while (rest >= 0x80n) {
      this.#pending.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.#pending.push(Number(rest));
  }

  #flush(): void {
    if (this.#pending.length === 0) return;
    const chunk = Uint8Array.from(this.#pending);
    this.#pending = [];
    this.#append(chunk);
  }

  #append(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }
}

/** One field as found on the wire. */
export interface ProtobufField {
  readonly number: number;
  readonly wireType: number;
  /** Value of a varint field (wire type 0), else 0. */
  readonly integer: bigint;
  /** View of the payload of wire types 1, 2 and 5, else empty. */
  readonly payload: Uint8Array;
}

/**
 * Walks the fields of one message.
 * @throws {DiffrateError} where the bytes end inside a field or hold an unknown wire type.
 */
export function* readProtobuf(message: Uint8Array): Generator<ProtobufField> {
  // Node's Buffer has a `slice` that does not copy; its payloads must not inherit that.
  const bytes = new Uint8Array(message.buffer, message.byteOffset, message.length);
  let position = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[position++];
      if (byte === undefined) throw new DiffrateError('The ONNX file ends inside a number; it is truncated.');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new DiffrateError('The ONNX file holds a number of more than 64 bits; it is not a protobuf file.');
  };
  while (position < bytes.length) {
    const key = Number(varint());
    const number = Math.floor(key / 8);
    const wireType = key % 8;
    if (wireType === 0) {
      yield { number, wireType, integer: varint(), payload: bytes.subarray(0, 0) };
      continue;
    }
    if (wireType !== 1 && wireType !== 2 && wireType !== 5) {
      throw new DiffrateError(`The ONNX file holds wire type ${wireType}; it is not a protobuf file.`);
    }
    const length = wireType === 2 ? Number(varint()) : wireType === 1 ? 8 : 4;
    if (position + length > bytes.length) {
      throw new DiffrateError(`The ONNX file ends inside field ${number}; it is truncated.`);
    }
    yield { number, wireType, integer: 0n, payload: bytes.subarray(position, position + length) };
    position += length;
  }
}

/**
 * All integers of a repeated field's payload or single value (packed or not), exactly.
 * @throws {DiffrateError} where the bytes end inside a number, or hold one of more than 64 bits.
 */
export function bigIntegersOf(field: ProtobufField): bigint[] {
  if (field.wireType === 0) return [BigInt.asIntN(64, field.integer)];
  const values: bigint[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of field.payload) {
    value |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte < 0x80) {
      values.push(BigInt.asIntN(64, value));
      value = 0n;
      shift = 0n;
    } else if (shift >= 70n) {
      throw new DiffrateError('The ONNX file holds a number of more than 64 bits; it is not a protobuf file.');
    }
  }
  if (shift > 0n) throw new DiffrateError('The ONNX file ends inside a number; it is truncated.');
  return values;
}

/** The integers of `bigIntegersOf` as numbers, which beyond 2^53 are the nearest. */
export function integersOf(field: ProtobufField): number[] {
  return bigIntegersOf(field).map(Number);
}

/**
 * All floats of a field's payload (packed or one of wire type 5).
 * @throws {DiffrateError} where the payload is no whole number of floats.
 */
export function floatsOf(field: ProtobufField): number[] {
  if (field.payload.length % 4 !== 0) {
    throw new DiffrateError(`The ONNX file ends inside a float of field ${field.number}; it is truncated.`);
  }
  return [...new Float32Array(field.payload.slice().buffer)];
}
