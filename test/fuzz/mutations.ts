/**
 * Damage to files, as AFL does it (Zalewski, "afl-fuzz: making up grammar with a dictionary in
 * hand"): bits flipped, parts cut, doubled, swapped and taken from another file, numbers replaced
 * by those at the edges of their types.
 */
import type { RandomGenerator } from '../../src/data/random.ts';

type Mutation = (bytes: Uint8Array, random: RandomGenerator, others: readonly Uint8Array[]) => Uint8Array;

/** Numbers at which readers stumble: around the edges of 8, 16, 31, 32, 53 and 64 bits. */
const edges: readonly bigint[] = [
  0n,
  1n,
  127n,
  128n,
  255n,
  256n,
  32767n,
  65535n,
  65536n,
  2n ** 24n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

const longestRun = 64;

/** A start and an end within `length`, at most `most` apart. */
function stretch(length: number, random: RandomGenerator, most = length): readonly [number, number] {
  const start = random.integer(length + 1);
  return [start, Math.min(length, start + random.integer(most + 1))];
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

const flipBits: Mutation = (bytes, random) => {
  const changed = bytes.slice();
  for (let count = 1 + random.integer(8); count > 0 && changed.length > 0; count--) {
    const at = random.integer(changed.length);
    changed[at] = (changed[at] ?? 0) ^ (1 << random.integer(8));
  }
  return changed;
};

const changeBytes: Mutation = (bytes, random) => {
  const changed = bytes.slice();
  const [start, end] = stretch(changed.length, random, 8);
  for (let at = start; at < end; at++) changed[at] = random.integer(256);
  return changed;
};

const cut: Mutation = (bytes, random) => bytes.slice(0, random.integer(bytes.length + 1));

const remove: Mutation = (bytes, random) => {
  const [start, end] = stretch(bytes.length, random, longestRun);
  return joined(bytes.subarray(0, start), bytes.subarray(end));
};

const double: Mutation = (bytes, random) => {
  const [start, end] = stretch(bytes.length, random, longestRun);
  const part = bytes.subarray(start, end);
  const times = 1 + random.integer(4);
  return joined(bytes.subarray(0, end), ...Array.from({ length: times }, () => part), bytes.subarray(end));
};

const swap: Mutation = (bytes, random) => {
  const [start, middle] = stretch(bytes.length, random, longestRun);
  const end = Math.min(bytes.length, middle + random.integer(longestRun));
  return joined(
    bytes.subarray(0, start),
    bytes.subarray(middle, end),
    bytes.subarray(start, middle),
    bytes.subarray(end),
  );
};

const splice: Mutation = (bytes, random, others) => {
  const other = others[random.integer(others.length)] ?? bytes;
  const [start, end] = stretch(other.length, random);
  const at = random.integer(bytes.length + 1);
  return joined(bytes.subarray(0, at), other.subarray(start, end), bytes.subarray(at));
};

/** A number of 1, 2, 4 or 8 bytes, either end first. */
const huge: Mutation = (bytes, random) => {
  const width = [1, 2, 4, 8][random.integer(4)] ?? 1;
  if (bytes.length < width) return bytes;
  const changed = bytes.slice();
  // Headers lie at the beginning, and tables of zip files at the end.
  const near = Math.min(bytes.length - width, 96);
  const at = [
    random.integer(bytes.length - width + 1),
    random.integer(near + 1),
    bytes.length - width - random.integer(near + 1),
  ];
  const start = at[random.integer(3)] ?? 0;
  const value = edges[random.integer(edges.length)] ?? 0n;
  const littleEndian = random.integer(2) === 0;
  for (let index = 0; index < width; index++) {
    const place = littleEndian ? start + index : start + width - 1 - index;
    changed[place] = Number((value >> BigInt(8 * index)) & 255n);
  }
  return changed;
};

/** Decimal digits become others, as sizes in texts do. */
const otherDigits: Mutation = (bytes, random) => {
  const text = Buffer.from(bytes).toString('latin1');
  const numbers = [...text.matchAll(/\d+/g)];
  const number = numbers[random.integer(Math.max(1, numbers.length))];
  if (number === undefined) return flipBits(bytes, random, []);
  const values = ['-1', '0', '1e400', '99999999999999999999', '4294967296', '0.5', '1e9', 'NaN', '""', '07'];
  const value = values[random.integer(values.length)] ?? '0';
  return new Uint8Array(
    Buffer.from(text.slice(0, number.index) + value + text.slice(number.index + number[0].length), 'latin1'),
  );
};

const mutations: readonly Mutation[] = [
  flipBits,
  changeBytes,
  cut,
  remove,
  double,
  swap,
  splice,
  huge,
  huge,
  otherDigits,
];

const largest = 256 * 1024;

/** The file with one to four kinds of damage. */
export function mutate(bytes: Uint8Array, random: RandomGenerator, others: readonly Uint8Array[]): Uint8Array {
  let changed = bytes;
  for (let count = 1 + random.integer(4); count > 0; count--) {
    const mutation = mutations[random.integer(mutations.length)] ?? flipBits;
    changed = mutation(changed, random, others);
  }
  return changed.length > largest ? changed.slice(0, largest) : changed;
}
