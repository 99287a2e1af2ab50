/**
 * A network run block by block with free kept numbers against the whole network with those numbers
 * as constants.
 */
import { describe, expect, it } from 'vitest';
import { BlockNetworks } from '../../src/execution/block-networks.ts';
import type { BlockState } from '../../src/execution/block-networks.ts';
import { copiesBySource, forward, pixelInput } from '../../src/networks/forward.ts';
import type { Network } from '../../src/networks/network.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import type { Parameters } from '../../src/nn/parameters.ts';
import { mergeRules } from '../../src/reduction/merge-rule.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { freeBlock, removalOf } from '../../src/reduction/methods/diffrate-inputs.ts';
import type { ImportanceSource } from '../../src/reduction/network-shape.ts';
import { effectiveTokens } from '../../src/reduction/schedule.ts';
import type { EffectiveBlock, KeptNumbers, ReductionRules } from '../../src/reduction/schedule.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import type { Selection } from '../../src/reduction/selection.ts';
import { tokenCount } from '../../src/reduction/token-layout.ts';
import { sourceOf } from '../../src/reduction/token-state.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { runGraph } from '../graph/run-graph.ts';
import { randomValues } from '../random-network.ts';
import { narrowSizes, smallNetwork, smallWeights } from '../small-networks.ts';
import type { SmallSizes } from '../small-networks.ts';

const batch = 2;
const classToken = { name: 'cls_token', count: 1 };
const register = { name: 'reg_token', count: 1 };

interface Variant {
  readonly sizes: SmallSizes;
  readonly importanceFrom: ImportanceSource;
}

/** 16 patches, 4 blocks, by the number of prefix tokens and what ranks the others. */
const variants: Readonly<Record<string, Variant>> = {
  'no prefix, ranked by what tokens receive': {
    sizes: { prefixTokens: [], pool: 'mean' },
    importanceFrom: 'attention-received',
  },
  'a class token that ranks': { sizes: {}, importanceFrom: 'class-token' },
  'a class token, ranked by what tokens receive': { sizes: {}, importanceFrom: 'attention-received' },
  'a class token that ranks before a mean': { sizes: { pool: 'mean' }, importanceFrom: 'class-token' },
  'two prefix tokens, the first ranks': {
    sizes: { prefixTokens: [classToken, register] },
    importanceFrom: 'class-token',
  },
  'two prefix tokens, ranked by what tokens receive': {
    sizes: { prefixTokens: [classToken, register], inputSize: { height: 16, width: 64 } },
    importanceFrom: 'attention-received',
  },
};

/** Of 16 patches, beside the prefix: pruned alone, merged alone, both, and nothing. */
const schedules: readonly KeptNumbers[] = [
  { pruneKept: [16, 12, 12, 12], mergeKept: [16, 12, 9, 9] },
  { pruneKept: [15, 15, 11, 11], mergeKept: [13, 13, 6, 6] },
  { pruneKept: [9, 9, 2, 2], mergeKept: [9, 5, 1, 1] },
];

/** With the usual numbers, with others, and with all tokens as candidates. */
const selections: readonly Selection[] = [
  dissimilarity,
  { ...dissimilarity, power: 1.4, perSize: 1, weight: 1, norm: 0.8, coherence: 0.5 },
  { ...dissimilarity, candidates: 1, weight: 0, norm: 0 },
];

function networkOf({ sizes, importanceFrom }: Variant): Network {
  return { ...smallNetwork({ ...narrowSizes, ...sizes }), importanceFrom };
}

/** The numbers with the prefix counted. */
function withPrefix({ pruneKept, mergeKept }: KeptNumbers, prefix: number): KeptNumbers {
  const counted = (numbers: readonly number[]): number[] => numbers.map((number) => number + prefix);
  return { pruneKept: counted(pruneKept), mergeKept: counted(mergeKept) };
}

function pixelsOf({ input: { channels, height, width } }: Network): Float32Array {
  return randomValues(batch * channels * height * width, 8);
}

function expectClose(found: ArrayLike<number>, wanted: ArrayLike<number>): void {
  const values = Array.from(wanted);
  const largest = Math.max(...values.map(Math.abs));
  expect(found.length).toBe(values.length);
  values.forEach((value, index) => expect(Math.abs(value - (found[index] ?? NaN)) / largest).toBeLessThan(1e-5));
}

/** Answers, and the tokens before the last block, block by block. */
async function blockByBlock(
  network: Network,
  parameters: Parameters,
  kept: KeptNumbers,
  rules: ReductionRules,
): Promise<{ answers: Float32Array; states: BlockState[] }> {
  const blocks = new BlockNetworks(
    { network, parameters },
    {
      runtime: nodeRuntime,
      threads: 1,
      batch,
      merging: rules.merging ?? 'similarity',
      selection: rules.selection,
    },
  );
  try {
    const states = [await blocks.embed(pixelsOf(network))];
    const numbers = effectiveTokens(kept, tokenCount(network.layout));
    for (let index = 0; index < network.depth - 1; index++)
      states.push(await blocks.run(index, states.at(-1) as BlockState, numbers[index] as EffectiveBlock));
    return { answers: await blocks.readout(states.at(-1) as BlockState), states };
  } finally {
    await blocks.dispose();
  }
}

/** The same with the numbers as constants of one graph. */
async function atOnce(network: Network, parameters: Parameters, kept: KeptNumbers, rules: ReductionRules) {
  const pixels = pixelInput(network, batch);
  const reducer = diffRate({ ...kept, ...rules }, network);
  const { answer, states } = forward(network, pixels, { parameters, reducer, prefixOnlyLastBlock: true });
  const before = states.slice(0, -1);
  const { channels, height, width } = network.input;
  const shape = [batch, channels, height, width];
  const feeds = { pixel_values: { type: 'float32' as const, shape, data: pixelsOf(network) } };
  const sources = before.map(sourceOf).filter((source) => source !== undefined);
  const wanted = [answer, ...before.map(({ features }) => features), ...sources];
  const [answers, ...rest] = (await runGraph(wanted, [pixels], feeds)) as [Float64Tensor, ...Float64Tensor[]];
  return { answers, features: rest.slice(0, before.length), sources: rest.slice(before.length) };
}

describe.each(Object.entries(variants))('a network with %s', (_, variant) => {
  const network = networkOf(variant);
  const parameters = parametersFromWeights(smallWeights(network), 'random weights');

  it.each(schedules.map((schedule, index) => ({ schedule, index, merging: mergeRules[index] })))(
    'answers block by block what it answers at once: schedule $index, merged by $merging',
    async ({ schedule, merging }) => {
      const kept = withPrefix(schedule, network.layout.prefix);
      const wanted = await atOnce(network, parameters, kept, { merging });
      const { answers, states } = await blockByBlock(network, parameters, kept, { merging });
      expectClose(answers, wanted.answers.data);
      states.slice(1).forEach(({ features }, block) => {
        expect(features.shape).toEqual(wanted.features[block]?.shape);
        expectClose(features.data as Float32Array, wanted.features[block]?.data ?? []);
      });
    },
  );

  it.each(schedules.map((schedule, index) => ({ schedule, index, selection: selections[index] })))(
    'answers block by block what it answers at once where dissimilarity selects: schedule $index',
    async ({ schedule, selection }) => {
      const kept = withPrefix(schedule, network.layout.prefix);
      const rules = { merging: 'patches', selection } as const;
      const wanted = await atOnce(network, parameters, kept, rules);
      const { answers, states } = await blockByBlock(network, parameters, kept, rules);
      expectClose(answers, wanted.answers.data);
      states.slice(1).forEach(({ features }, block) => {
        expect(features.shape).toEqual(wanted.features[block]?.shape);
        expectClose(features.data as Float32Array, wanted.features[block]?.data ?? []);
      });
    },
  );

  it('leaves the same tokens for the same numbers, whatever was run before', async () => {
    const kept = effectiveTokens(
      withPrefix({ pruneKept: [12], mergeKept: [8] }, network.layout.prefix),
      tokenCount(network.layout),
    )[0] as EffectiveBlock;
    const other = { ...kept, pruneKept: kept.pruneKept - 1, mergeKept: kept.mergeKept - 3 };
    const options = { runtime: nodeRuntime, threads: 1, batch, merging: 'patches' } as const;
    const blocks = new BlockNetworks({ network, parameters }, options);
    const embedded = await blocks.embed(pixelsOf(network));
    const first = await blocks.run(0, embedded, kept);
    const smaller = await blocks.run(0, embedded, other);
    expect(smaller.features.shape).toEqual([batch, kept.mergeKept - 3, network.width]);
    expect(await blocks.run(0, embedded, kept)).toEqual(first);
    await blocks.dispose();
  });
});

describe('a network that restores its tokens', () => {
  const whole = smallNetwork({ ...narrowSizes, prefixTokens: [], pool: 'mean' });
  const network: Network = {
    ...whole,
    span: { first: 1, end: 3 },
    depth: 2,
    importanceFrom: 'attention-received',
    mergeOnly: true,
    restore: copiesBySource,
  };
  const parameters = parametersFromWeights(smallWeights(whole), 'random weights');

  it('answers block by block what it answers at once, sources travelling along', async () => {
    const kept = { pruneKept: [16, 5], mergeKept: [5, 5] };
    const wanted = await atOnce(network, parameters, kept, { merging: 'count' });
    const { answers, states } = await blockByBlock(network, parameters, kept, { merging: 'count' });
    expectClose(answers, wanted.answers.data);
    expect(states.at(-1)?.source?.shape).toEqual([batch, 5, 16]);
    expect([...(states.at(-1)?.source?.data ?? [])].map(Number)).toEqual([...(wanted.sources[0]?.data ?? [])]);
  });
});

describe('removalOf', () => {
  it.each([
    [17, 17, 17, 'none'],
    [17, 9, 9, 'prune'],
    [17, 17, 9, 'merge'],
    [17, 12, 9, 'merge'],
  ])('of %i tokens of which %i and %i stay is %s', (tokensIn, pruneKept, mergeKept, removal) => {
    expect(removalOf({ tokensIn, pruneKept, mergeKept, tokensOut: mergeKept })).toBe(removal);
  });
});

describe('freeBlock', () => {
  const { layout } = smallNetwork(narrowSizes);
  const kinds = (pruneKept: number, mergeKept: number) =>
    freeBlock(
      { layout },
      { tokensIn: 17, pruneKept, mergeKept, tokensOut: mergeKept },
      { merging: 'patches', selection: dissimilarity },
    );

  it('has a choice where some candidates stay, and no input that its block does not read', () => {
    expect(kinds(17, 17)).toEqual({ block: { removal: 'none', chooses: false }, counts: {} });
    expect(kinds(9, 9)).toEqual({ block: { removal: 'prune', chooses: false }, counts: { pruneKept: 9 } });
    expect(kinds(17, 13)).toEqual({
      block: { removal: 'merge', chooses: true },
      counts: { pruneKept: 17, mergeKept: 13, removed: 4, candidates: 8 },
    });
    expect(kinds(17, 2)).toEqual({
      block: { removal: 'merge', chooses: false },
      counts: { pruneKept: 17, mergeKept: 2, removed: 15 },
    });
  });
});

describe('block networks', () => {
  /** The runtime, which fails to load as often as it is told, and counts. */
  function unreliable(failures: number): { runtime: Runtime; loads: () => number } {
    let loads = 0;
    const runtime: Runtime = {
      ...nodeRuntime,
      load: (model, options) => {
        loads += 1;
        if (loads <= failures) return Promise.reject(new Error('the device was busy'));
        return nodeRuntime.load(model, options);
      },
    };
    return { runtime, loads: () => loads };
  }

  const network = smallNetwork(narrowSizes);
  const parameters = parametersFromWeights(smallWeights(network), 'random weights');
  const all: EffectiveBlock = { tokensIn: 17, pruneKept: 17, mergeKept: 17, tokensOut: 17 };

  it('try again to load what could not be loaded', async () => {
    const { runtime, loads } = unreliable(1);
    const blocks = new BlockNetworks({ network, parameters }, { runtime, threads: 1, batch, merging: 'similarity' });
    const pixels = pixelsOf(network);
    await expect(blocks.embed(pixels)).rejects.toThrow('the device was busy');
    const state = await blocks.embed(pixels);
    expect(state.features.shape).toEqual([batch, 17, network.width]);
    expect(loads()).toBe(2);
    await blocks.dispose();
  });

  it('load each network once, also where it is asked for twice at a time', async () => {
    const { runtime, loads } = unreliable(0);
    const blocks = new BlockNetworks({ network, parameters }, { runtime, threads: 1, batch, merging: 'similarity' });
    const [one, other] = await Promise.all([blocks.embed(pixelsOf(network)), blocks.embed(pixelsOf(network))]);
    expect(other).toEqual(one);
    await Promise.all([blocks.run(1, one, all), blocks.run(1, one, all)]);
    expect(loads()).toBe(2);
    await blocks.run(1, one, { ...all, pruneKept: 9, mergeKept: 9, tokensOut: 9 });
    await blocks.run(1, one, { ...all, pruneKept: 7, mergeKept: 7, tokensOut: 7 });
    expect(loads()).toBe(3);
    await blocks.dispose();
  });

  it('are disposed of though one could not be loaded', async () => {
    const { runtime } = unreliable(1);
    const blocks = new BlockNetworks({ network, parameters }, { runtime, threads: 1, batch, merging: 'similarity' });
    const failing = expect(blocks.embed(pixelsOf(network))).rejects.toThrow('the device was busy');
    const disposed = blocks.dispose().then(
      () => 'disposed',
      () => 'thrown',
    );
    await failing;
    expect(await disposed).toBe('disposed');
  });
});
