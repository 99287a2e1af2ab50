/** Vision Transformers of every shape, as ONNX Runtime computes them, against plain loops. */
import { describe, expect, it } from 'vitest';
import { input } from '../../src/graph/tensor.ts';
import { forward, pixelInput } from '../../src/networks/forward.ts';
import type { Network } from '../../src/networks/network.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import { parameterRecorder } from '../../src/networks/recorded-parameters.ts';
import type { VisionTransformerConfiguration } from '../../src/networks/vision-transformer/configuration.ts';
import { visionTransformer } from '../../src/networks/vision-transformer/vision-transformer.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { sourceOf } from '../../src/reduction/token-state.ts';
import type { TokenState } from '../../src/reduction/token-state.ts';
import { float32Values } from '../../src/checkpoints/weights.ts';
import type { Weights } from '../../src/checkpoints/weights.ts';
import { floats } from '../../src/runtime/runtime.ts';
import type { RuntimeTensor } from '../../src/runtime/runtime.ts';
import { runGraph } from '../graph/run-graph.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { randomValues } from '../random-network.ts';
import { runMethodPlainly, runPlainly } from '../reduction/plain-network.ts';
import type { PlainOutcome } from '../reduction/plain-network.ts';
import { narrowSizes, smallWeights } from '../small-networks.ts';

const images = 2;

const classToken = { name: 'cls_token', count: 1 };
const base: VisionTransformerConfiguration = { ...narrowSizes, depth: 3 };
const variants: Readonly<Record<string, VisionTransformerConfiguration>> = {
  'of one class token': base,
  'of two prefix tokens': { ...base, prefixTokens: [classToken, { name: 'dist_token', count: 1 }] },
  'of registers': { ...base, prefixTokens: [classToken, { name: 'reg_token', count: 3 }], depth: 2 },
  'of a mean with registers': {
    ...base,
    pool: 'mean',
    prefixTokens: [classToken, { name: 'reg_token', count: 2 }],
  },
  'without prefix tokens': { ...base, pool: 'mean', prefixTokens: [] },
  'without prefix tokens, normalised before the mean': { ...base, pool: 'mean', lastNorm: 'norm', prefixTokens: [] },
  'of a class token, normalised after it is read': { ...base, lastNorm: 'fc_norm', depth: 2 },
  'with quick GELU': { ...base, activation: 'quick_gelu' },
  'with the tanh approximation of GELU': { ...base, activation: 'gelu_pytorch_tanh' },
  'with SiLU': { ...base, activation: 'silu' },
  'with ReLU': { ...base, activation: 'relu' },
  'of wide images': { ...base, inputSize: { height: 16, width: 40 } },
  'of high images with a rest beyond the last patch': { ...base, inputSize: { height: 45, width: 19 } },
  'of one channel': { ...base, channels: 1 },
  'of five channels': { ...base, channels: 5, patchSize: 16 },
};
const cases = Object.entries(variants);

function pixelsOf({ input: { channels, height, width } }: Network): RuntimeTensor & { data: Float32Array } {
  const data = randomValues(images * channels * height * width, 17);
  return { type: 'float32', shape: [images, channels, height, width], data };
}

function plainOutcomes(network: Network, run: (pixels: Float32Array) => PlainOutcome): PlainOutcome[] {
  const { data } = pixelsOf(network);
  const size = data.length / images;
  return Array.from({ length: images }, (_, image) => run(data.subarray(image * size, (image + 1) * size)));
}

function expectClose(found: Float64Tensor | undefined, wanted: readonly number[]): void {
  const largest = Math.max(...wanted.map(Math.abs));
  expect(found?.data.length).toBe(wanted.length);
  wanted.forEach((value, index) => expect(Math.abs(value - (found?.data[index] ?? NaN)) / largest).toBeLessThan(1e-5));
}

const logitsOf = (outcomes: readonly PlainOutcome[]): number[] => outcomes.flatMap(({ logits }) => [...logits]);

/** Nothing goes. */
const plainly = (configuration: VisionTransformerConfiguration, weights: Weights) => (pixels: Float32Array) =>
  runMethodPlainly(configuration, weights, pixels, { reduce: (tokens) => tokens });

describe.each(cases)('a Vision Transformer %s', (_, configuration) => {
  const network = visionTransformer(configuration);
  const weights = smallWeights(network);
  const parameters = parametersFromWeights(weights, 'random weights');
  const pixels = pixelInput(network);
  const feeds = { pixel_values: pixelsOf(network) };

  it('computes what plain loops do, token by token', async () => {
    const { answer, states } = forward(network, pixels, { parameters });
    const [logits, tokens] = await runGraph([answer, (states.at(-1) as TokenState).features], [pixels], feeds);
    const wanted = plainOutcomes(network, plainly(configuration, weights));
    expectClose(logits, logitsOf(wanted));
    expectClose(
      tokens,
      wanted.flatMap((outcome) => outcome.tokens.flatMap(({ features }) => [...features])),
    );
  });

  it('computes the same where only prefix tokens are computed in the last block', async () => {
    const [every, prefixOnly] = [false, true].map((prefixOnlyLastBlock) =>
      forward(network, pixels, { parameters, prefixOnlyLastBlock }),
    );
    const { prefix } = network.layout;
    const left = prefixOnly?.states.at(-1)?.features.shape[1];
    expect(left).toBe(network.reads === 'prefix' ? prefix : every?.states.at(-1)?.features.shape[1]);
    const answers = [every, prefixOnly].map((built) => (built as NonNullable<typeof built>).answer);
    const [one, other] = await runGraph(answers, [pixels], feeds);
    expectClose(one, [...(other?.data ?? [])]);
  });

  it('computes the same where its weights are inputs, as in training', async () => {
    const recorder = parameterRecorder();
    const { answer } = forward(network, pixels, { parameters: recorder });
    const inputs = recorder.recorded.map(({ name, shape }) => recorder.tensor(name, shape));
    const own = recorder.recorded.map(({ name, shape }): [string, RuntimeTensor] => {
      const weight = weights.get(name);
      return [name, floats(weight === undefined ? new Float32Array() : float32Values(weight), [...shape])];
    });
    const [logits] = await runGraph([answer], [pixels, ...inputs], { ...feeds, ...Object.fromEntries(own) });
    expectClose(logits, logitsOf(plainOutcomes(network, plainly(configuration, weights))));
  });

  it('leaves prefix tokens in front with DiffRate, and computes what plain loops do', async () => {
    const tokens = network.layout.prefix + network.layout.grid[0] * network.layout.grid[1];
    const kept: KeptNumbers = {
      pruneKept: [tokens - 1, tokens - 2, tokens - 3].slice(0, configuration.depth),
      mergeKept: [tokens - 1, tokens - 3, tokens - 3].slice(0, configuration.depth),
    };
    const { answer, states } = forward(network, pixels, { parameters, reducer: diffRate(kept, network), trace: true });
    const last = states.at(-1) as TokenState;
    const [logits, source] = await runGraph([answer, sourceOf(last) ?? answer], [pixels], feeds);
    const { prefix } = network.layout;
    const metric = network.importanceFrom === 'class-token' ? 'class-attention' : 'image-attention';
    const wanted = plainOutcomes(network, (own) =>
      runPlainly(
        configuration,
        weights,
        own,
        kept,
        metric,
        { order: 'prune-merge', prefix, merging: 'similarity' },
        () => [],
      ),
    );
    expectClose(logits, logitsOf(wanted));
    const sources = wanted.flatMap((outcome) =>
      outcome.tokens.flatMap((token) => Array.from({ length: tokens }, (__, from) => Number(token.source.has(from)))),
    );
    expect([...(source?.data ?? [])]).toEqual(sources);
    for (const outcome of wanted)
      outcome.tokens.slice(0, prefix).forEach((token, position) => expect([...token.source]).toEqual([position]));
  });
});

describe('the span of a network', () => {
  const whole = visionTransformer({ ...base, depth: 4 });
  const network: Network = { ...whole, span: { first: 1, end: 3 }, depth: 2 };
  const parameters = parametersFromWeights(smallWeights(whole), 'random weights');

  it('is where the reducer is asked, which counts blocks from its first', () => {
    const asked: [number, number][] = [];
    const { states } = forward(network, pixelInput(network), {
      parameters,
      reducer: {
        name: 'watching',
        afterAttention(block, state) {
          asked.push([block, Number(state.features.shape[1])]);
          return state;
        },
      },
    });
    expect(asked).toEqual([
      [0, 17],
      [1, 17],
    ]);
    expect(states).toHaveLength(2);
  });

  it('changes nothing where no token goes', async () => {
    const pixels = pixelInput(network);
    const answers = [whole, network].map((one) => forward(one, pixels, { parameters }).answer);
    const [one, other] = await runGraph(answers, [pixels], { pixel_values: pixelsOf(network) });
    expect(other).toEqual(one);
  });

  it('leaves its tokens to the blocks behind it', () => {
    const entered: [number, unknown][] = [];
    const watched: Network = {
      ...network,
      block(index, state, context) {
        entered.push([index, state.features.shape[1]]);
        return network.block(index, state, context);
      },
    };
    const kept = { pruneKept: [12, 9], mergeKept: [11, 7] };
    forward(watched, pixelInput(network), { parameters, reducer: diffRate(kept, network) });
    expect(entered).toEqual([
      [0, 17],
      [1, 17],
      [2, 11],
      [3, 7],
    ]);
  });

  it('has every token computed in its last block, where others follow', () => {
    const pixels = input('pixel_values', 'float32', [1, 3, 32, 32]);
    const { states } = forward(network, pixels, { parameters, prefixOnlyLastBlock: true });
    expect(states.at(-1)?.features.shape).toEqual([1, 17, 24]);
  });
});
