/**
 * A Vision Transformer with DiffRate, or any other method, on one image in plain float64 loops:
 * what the compressed graphs must compute.
 */
import { float32Values } from '../../src/checkpoints/weights.ts';
import type { Activation } from '../../src/nn/activation.ts';
import type { Weights } from '../../src/checkpoints/weights.ts';
import type { VisionTransformerConfiguration } from '../../src/networks/vision-transformer/configuration.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import type { ImportanceMetric } from '../../src/reduction/importance.ts';
import type { PlainAttention } from './methods/plain-methods.ts';
import { reducePlainly } from './plain-diffrate.ts';
import type { PlainReduction, PlainToken } from './plain-diffrate.ts';

type Vector = readonly number[];

/** What the network answers, and its tokens after the last block. */
export interface PlainOutcome {
  readonly logits: Vector;
  readonly tokens: readonly PlainToken[];
  /** Tokens after each block, in order. */
  readonly perBlock: readonly (readonly PlainToken[])[];
}

/** What a method does in a block. */
export interface PlainMethod {
  /** Between attention and MLP. */
  readonly reduce: (tokens: readonly PlainToken[], attention: PlainAttention, block: number) => readonly PlainToken[];
  /**
   * Weights of the keys from one query's logits, which hold no sizes; the softmax with sizes by
   * default.
   */
  readonly weigh?: (logits: Vector, tokens: readonly PlainToken[]) => readonly number[];
  /** Sees the embedded tokens before the first block. */
  readonly begin?: (tokens: readonly PlainToken[]) => void;
}

const softmaxWithSizes = (logits: Vector, tokens: readonly PlainToken[]): number[] => {
  const weights = logits.map((logit, key) => (tokens[key]?.size ?? 1) * Math.exp(logit));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
};

/** Scores per block of the `random` metric, which nothing in the network tells. */
export type RandomScores = (block: number, tokens: number) => Vector;

/** The network with DiffRate on one image's pixels `[channels, height, width]`. */
export function runPlainly(
  configuration: VisionTransformerConfiguration,
  weights: Weights,
  pixels: Float32Array,
  kept: KeptNumbers,
  metric: ImportanceMetric,
  reduction: Pick<PlainReduction, 'order' | 'prefix' | 'merging'>,
  randomScores: RandomScores,
): PlainOutcome {
  const reduce: PlainMethod['reduce'] = (tokens, { map, values }, block) => {
    const scores = tokens.map((_, key) => {
      const heading = (row: (rows: readonly Vector[], head: number) => number): number =>
        map.reduce((sum, rows, head) => sum + row(rows, head), 0) / map.length;
      switch (metric) {
        case 'class-attention':
          return heading((rows) => rows[0]?.[key] as number);
        case 'class-attention-value':
          return heading((rows, head) => (rows[0]?.[key] as number) * Math.hypot(...(values[head]?.[key] as Vector)));
        case 'image-attention':
          return heading((rows) => rows.reduce((sum, row) => sum + (row[key] as number), 0) / rows.length);
        case 'random':
          return randomScores(block, tokens.length)[key] as number;
      }
    });
    return reducePlainly(tokens, scores, {
      ...reduction,
      pruneKept: kept.pruneKept[block] as number,
      mergeKept: kept.mergeKept[block] as number,
    });
  };
  return runMethodPlainly(configuration, weights, pixels, { reduce });
}

/** The network with any method on one image's pixels `[channels, height, width]`. */
export function runMethodPlainly(
  configuration: VisionTransformerConfiguration,
  weights: Weights,
  pixels: Float32Array,
  { reduce, weigh = softmaxWithSizes, begin }: PlainMethod,
): PlainOutcome {
  const { inputSize, channels, patchSize, prefixTokens, width, heads, depth, layerNormEpsilon, pool } = configuration;
  const activation = plainActivations[configuration.activation];
  const { lastNorm = pool === 'mean' ? 'fc_norm' : 'norm' } = configuration;
  const known = new Map<string, Float32Array>();
  const values = (name: string): Float32Array => {
    const weight = weights.get(name);
    if (weight === undefined) throw new TypeError(`there is no ${name}`);
    const found = known.get(name) ?? float32Values(weight);
    known.set(name, found);
    return found;
  };
  const linear = (x: Vector, name: string): number[] => {
    const [matrix, bias] = [values(`${name}.weight`), values(`${name}.bias`)];
    return Array.from(bias, (start, row) =>
      x.reduce((sum, value, column) => sum + value * (matrix[row * x.length + column] as number), start),
    );
  };
  const normalized = (x: Vector, name: string): number[] => {
    const [scale, shift] = [values(`${name}.weight`), values(`${name}.bias`)];
    const mean = x.reduce((a, b) => a + b) / x.length;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
    return x.map(
      (value, index) =>
        ((value - mean) / Math.sqrt(variance + layerNormEpsilon)) * (scale[index] as number) + (shift[index] as number),
    );
  };
  const plus = (a: Vector, b: ArrayLike<number>): number[] => a.map((value, index) => value + (b[index] as number));

  const rows = Math.floor(inputSize.height / patchSize);
  const columns = Math.floor(inputSize.width / patchSize);
  const position = values('pos_embed');
  const embedded: number[][] = prefixTokens.flatMap(({ name, count }) =>
    Array.from({ length: count }, (_, index) => Array.from(values(name).subarray(index * width, (index + 1) * width))),
  );
  const prefix = embedded.length;
  for (let patch = 0; patch < rows * columns; patch++) {
    const cut: number[] = [];
    for (let channel = 0; channel < channels; channel++)
      for (let row = 0; row < patchSize; row++)
        for (let column = 0; column < patchSize; column++) {
          const y = Math.floor(patch / columns) * patchSize + row;
          const x = (patch % columns) * patchSize + column;
          cut.push(pixels[(channel * inputSize.height + y) * inputSize.width + x] as number);
        }
    embedded.push(linear(cut, 'patch_embed.proj'));
  }
  let tokens: PlainToken[] = embedded.map((features, index) => ({
    features: plus(features, position.subarray(index * width, (index + 1) * width)),
    size: 1,
    source: new Set([index]),
  }));
  begin?.(tokens);
  const perBlock: (readonly PlainToken[])[] = [];
  for (let block = 0; block < depth; block++) {
    const name = `blocks.${block}`;
    const projected = tokens.map(({ features }) => linear(normalized(features, `${name}.norm1`), `${name}.attn.qkv`));
    const perHead = width / heads;
    const part = (token: number, which: number, head: number): number[] =>
      (projected[token] as number[]).slice(which * width + head * perHead, which * width + (head + 1) * perHead);
    const dot = (a: Vector, b: Vector): number =>
      a.reduce((sum, value, index) => sum + value * (b[index] as number), 0);
    // Proportional attention: a token counts as often as it is large.
    const attention = Array.from({ length: heads }, (_, head) =>
      tokens.map((__, query) => {
        const logits = tokens.map((___, key) => dot(part(query, 0, head), part(key, 1, head)) / Math.sqrt(perHead));
        return weigh(logits, tokens);
      }),
    );
    const attended = tokens.map((token, query) => {
      const output = attention.flatMap((rows, head) => {
        const sum = Array<number>(perHead).fill(0);
        rows[query]?.forEach((weight, key) =>
          part(key, 2, head).forEach((value, channel) => (sum[channel] = (sum[channel] as number) + weight * value)),
        );
        return sum;
      });
      return { ...token, features: plus(token.features, linear(output, `${name}.attn.proj`)) };
    });
    const perToken = (which: number): Vector[][] =>
      attention.map((_, head) => tokens.map((__, token) => part(token, which, head)));
    const left = reduce(
      attended,
      { classRow: attention.map((rows) => rows[0] as Vector), map: attention, keys: perToken(1), values: perToken(2) },
      block,
    );
    tokens = left.map((token) => {
      const hidden = linear(normalized(token.features, `${name}.norm2`), `${name}.mlp.fc1`).map(activation);
      return { ...token, features: plus(token.features, linear(hidden, `${name}.mlp.fc2`)) };
    });
    perBlock.push(tokens);
  }
  const first = (x: Vector, name: string): Vector => (name === lastNorm ? normalized(x, name) : x);
  const last = tokens.map(({ features }) => first(features, 'norm'));
  const weight = tokens.slice(prefix).reduce((sum, { size }) => sum + size, 0);
  const mean = Array.from(
    { length: width },
    (_, channel) =>
      tokens.reduce((sum, { size }, at) => (at < prefix ? sum : sum + size * (last[at]?.[channel] as number)), 0) /
      weight,
  );
  const read = first(pool === 'class-token' ? (last[0] ?? []) : mean, 'fc_norm');
  return { logits: linear(read, 'head'), tokens, perBlock };
}

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

/** In float64, as papers write them. */
export const plainActivations: Readonly<Record<Activation, (x: number) => number>> = {
  gelu: (x) => gelu(x),
  gelu_pytorch_tanh: (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  quick_gelu: (x) => x * logistic(1.702 * x),
  silu: (x) => x * logistic(x),
  relu: (x) => (x > 0 ? x : 0),
};

const gelu = (x: number): number => (x * (1 + errorFunction(x / Math.SQRT2))) / 2;

/**
 * erf by its Taylor series, to about 1e-14 for the arguments of an MLP; beyond 5 it is ±1 in
 * float64.
 */
function errorFunction(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  let [sum, term] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-17 && n < 200; n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
