/**
 * A small seeded random generator: xoshiro128** (Blackman and Vigna, 2018) with forks by name. A
 * fork depends on the seed and on its keys only, never on how much was drawn before, so that what
 * an image gets does not depend on which worker loads it, or when.
 */

/** Part of a fork's name: a word, or an integer such as an epoch or an image index. */
export type RandomKey = string | number;

const GOLDEN_RATIO = 0x9e3779b9;

/**
 * The finaliser of MurmurHash3: every input bit flips every output bit with probability near one
 * half.
 */
function scramble(word: number): number {
  let value = word >>> 0;
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

function absorb(identity: Uint32Array, word: number): void {
  for (let lane = 0; lane < 4; lane++) {
    const before = identity[(lane + 3) % 4] ?? 0;
    identity[lane] = scramble((identity[lane] ?? 0) + scramble(word + Math.imul(GOLDEN_RATIO, lane + 1)) + before);
  }
}

function absorbKey(identity: Uint32Array, key: RandomKey): void {
  if (typeof key === 'number') {
    const bits = new Uint32Array(new Float64Array([key]).buffer);
    absorb(identity, 1);
    absorb(identity, bits[0] ?? 0);
    absorb(identity, bits[1] ?? 0);
    return;
  }
  absorb(identity, 2 + key.length);
  for (let index = 0; index < key.length; index++) absorb(identity, key.charCodeAt(index));
}

/** A stream of random numbers. Equal seeds and fork keys give equal streams on every machine. */
export class RandomGenerator {
  /** What this stream is derived from; forks start here, not at the moving state. */
  readonly #identity: Uint32Array;
  readonly #state: Uint32Array;

  /** @param seed any finite number. */
  constructor(seed: number, identity: Uint32Array = new Uint32Array(4)) {
    this.#identity = identity;
    absorbKey(this.#identity, seed);
    this.#state = this.#identity.slice();
    // The one state that xoshiro never leaves.
    if (this.#state.every((word) => word === 0)) this.#state[0] = GOLDEN_RATIO;
  }

  /** A stream of its own for `keys`, independent of what was drawn from this one. */
  fork(...keys: RandomKey[]): RandomGenerator {
    const identity = this.#identity.slice();
    for (const key of keys) absorbKey(identity, key);
    return new RandomGenerator(keys.length, identity);
  }

  /** 32 random bits as an unsigned integer. */
  bits(): number {
    const state = this.#state;
    const s0 = state[0]!;
    const s1 = state[1]!;
    const s2 = state[2]!;
    const s3 = state[3]!;
    const times5 = Math.imul(s1, 5);
    const result = Math.imul((times5 << 7) | (times5 >>> 25), 9) >>> 0;
    const t2 = s2 ^ s0;
    const t3 = s3 ^ s1;
    state[1] = s1 ^ t2;
    state[0] = s0 ^ t3;
    state[2] = t2 ^ (s1 << 9);
    state[3] = (t3 << 11) | (t3 >>> 21);
    return result;
  }

  /** Uniform in `[low, high)`, 53 bits. */
  uniform(low = 0, high = 1): number {
    const unit = ((this.bits() >>> 5) * 0x4000000 + (this.bits() >>> 6)) / 0x20000000000000;
    return low + (high - low) * unit;
  }

  /** A uniform integer in `0 … count − 1`. */
  integer(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  /** Normal with mean 0 and standard deviation 1 (Box and Muller, 1958). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Gamma with the given shape (> 0) and scale 1 (Marsaglia and Tsang, 2000). */
  gamma(shape: number): number {
    if (shape < 1) return this.gamma(shape + 1) * (1 - this.uniform()) ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  }

  /** Beta(a, b) in `[0, 1]`. */
  beta(a: number, b: number): number {
    const x = this.gamma(a);
    const y = this.gamma(b);
    // Tiny shapes can underflow on both sides; the distribution then sits at its two ends.
    if (x + y === 0) return this.uniform() < a / (a + b) ? 1 : 0;
    return x / (x + y);
  }

  /** A uniformly random order of `0 … count − 1` (Fisher and Yates). */
  permutation(count: number): Int32Array {
    const order = Int32Array.from({ length: count }, (_, index) => index);
    for (let last = count - 1; last > 0; last--) {
      const other = this.integer(last + 1);
      const kept = order[last] ?? 0;
      order[last] = order[other] ?? 0;
      order[other] = kept;
    }
    return order;
  }
}
