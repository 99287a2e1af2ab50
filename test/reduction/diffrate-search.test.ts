/**
 * The masked network of a search: the plain network where nothing is masked, and the pruned one
 * where tokens are.
 */
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../src/data/random.ts';
import { blockMasks, maskFeeds } from '../../src/execution/masks.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { forward, pixelInput } from '../../src/networks/forward.ts';
import type { Network } from '../../src/networks/network.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { diffRateSearch } from '../../src/reduction/methods/diffrate-search.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import { effectiveTokens, uncompressed } from '../../src/reduction/schedule.ts';
import type { KeptNumbers, ReductionRules } from '../../src/reduction/schedule.ts';
import { tokenCount } from '../../src/reduction/token-layout.ts';
import { sourceOf } from '../../src/reduction/token-state.ts';
import type { TokenState } from '../../src/reduction/token-state.ts';
import { floats } from '../../src/runtime/runtime.ts';
import type { RuntimeTensor } from '../../src/runtime/runtime.ts';
import { elementAt } from '../graph/float64-array.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { interpret } from '../graph/float64-interpreter.ts';
import { runGraph } from '../graph/run-graph.ts';
import { randomValues } from '../random-network.ts';
import { drawnAttention } from './drawn-attention.ts';
import { narrowSizes, smallNetwork, smallWeights } from '../small-networks.ts';

const images = 2;
const searched = [1, 2, 3];

const network = (prefix: number, importanceFrom: Network['importanceFrom'], pool: 'class-token' | 'mean'): Network => ({
  ...smallNetwork({
    ...narrowSizes,
    pool,
    prefixTokens: prefix === 0 ? [] : [{ name: 'cls_token', count: prefix }],
  }),
  importanceFrom,
});

const variants: Readonly<Record<string, Network>> = {
  'no prefix': network(0, 'attention-received', 'mean'),
  'a class token': network(1, 'class-token', 'class-token'),
  'a class token, ranked by what tokens receive': network(1, 'attention-received', 'class-token'),
  'a class token before a mean': network(1, 'class-token', 'mean'),
  'three prefix tokens': network(3, 'class-token', 'class-token'),
  'three prefix tokens, ranked by what tokens receive': network(3, 'attention-received', 'mean'),
};

/** Kept patches of four blocks: some merge, pruned and merged, nothing, and one is left. */
const patchSchedules: readonly (readonly [pruneKept: number[], mergeKept: number[]])[] = [
  [
    [16, 16, 12, 8],
    [16, 12, 8, 5],
  ],
  [
    [16, 13, 13, 9],
    [16, 11, 13, 4],
  ],
  [
    [16, 9, 9, 5],
    [16, 9, 7, 1],
  ],
];

/** Rules whose masked form is exact: that of `similarity` counts sizes as at least 1. */
const rules: readonly ReductionRules[] = [
  { merging: 'patches', selection: dissimilarity },
  { merging: 'patches', selection: dissimilarity },
  { merging: 'patches', selection: dissimilarity },
  {
    merging: 'patches',
    selection: { ...dissimilarity, power: 1.4, perSize: 1, candidates: 1, weight: 1, norm: 0.8, coherence: 0.5 },
  },
  { merging: 'patches', selection: { ...dissimilarity, candidates: 0, weight: 0, norm: 0 } },
  { merging: 'patches' },
  { merging: 'count' },
];
const exactRules = rules.map((rule, index) => ({
  ...rule,
  kept: patchSchedules[index % patchSchedules.length] as (typeof patchSchedules)[number],
}));

function feedsFor(own: Network, kept: KeptNumbers, { selection }: ReductionRules = {}): Record<string, RuntimeTensor> {
  const { channels, height, width } = own.input;
  const pixels = randomValues(images * channels * height * width, 21);
  const feeds: Record<string, RuntimeTensor> = { pixel_values: floats(pixels, [images, channels, height, width]) };
  const tokens = tokenCount(own.layout);
  for (const [block, { tokensIn }] of effectiveTokens(kept, tokens).entries()) {
    if (!searched.includes(block)) continue;
    const masks = blockMasks(tokens, tokensIn, kept.pruneKept[block] ?? NaN, kept.mergeKept[block] ?? NaN);
    Object.assign(feeds, maskFeeds(block, own.layout, masks, selection));
  }
  return feeds;
}

interface Masked {
  readonly answers: Float64Tensor;
  readonly source: Float64Tensor | undefined;
  readonly mask: Float64Tensor | undefined;
}

/** The masked network; traced, every token of every block is computed. */
async function runMasked(
  own: Network,
  kept: KeptNumbers,
  toThemselves: boolean,
  trace = false,
  rules: ReductionRules = {},
): Promise<Masked> {
  const parameters = parametersFromWeights(smallWeights(own), 'random weights');
  const { reducer, blocks } = diffRateSearch(own, { searched, toThemselves, rules });
  const pixels = pixelInput(own);
  const { answer, states } = forward(own, pixels, { parameters, reducer, trace, prefixOnlyLastBlock: true });
  const last = states.at(-1) as TokenState;
  const source = sourceOf(last);
  const asked = trace && source !== undefined && last.mask !== undefined ? [answer, source, last.mask] : [answer];
  const inputs = blocks.flatMap((block) => [
    block.mask,
    block.destinations,
    block.sourceStart,
    block.sourceEnd,
    block.sourceWeight,
    ...(block.pruneKept === undefined || block.sure === undefined ? [] : [block.pruneKept, block.sure]),
  ]);
  const [answers, ...rest] = (await runGraph(asked, [pixels, ...inputs], feedsFor(own, kept, rules))) as [
    Float64Tensor,
    ...Float64Tensor[],
  ];
  return { answers, source: rest[0], mask: rest[1] };
}

async function runReduced(
  own: Network,
  kept?: KeptNumbers,
): Promise<{ answers: Float64Tensor; source: Float64Tensor }> {
  const parameters = parametersFromWeights(smallWeights(own), 'random weights');
  const pixels = pixelInput(own);
  const reducer = kept === undefined ? undefined : diffRate(kept, own);
  const { answer, states } = forward(own, pixels, { parameters, reducer, trace: true });
  const { pixel_values: values } = feedsFor(own, uncompressed(0, tokenCount(own.layout)));
  const source = sourceOf(states.at(-1) as TokenState) ?? answer;
  const [answers, sources] = await runGraph([answer, source], [pixels], { pixel_values: values as RuntimeTensor });
  return { answers: answers as Float64Tensor, source: sources as Float64Tensor };
}

function expectClose(found: Float64Tensor, wanted: Float64Tensor): void {
  const largest = Math.max(...wanted.data.map(Math.abs));
  expect(found.shape).toEqual(wanted.shape);
  wanted.data.forEach((value, index) =>
    expect(Math.abs(value - (found.data[index] ?? NaN)) / largest).toBeLessThan(2e-5),
  );
}

describe.each(Object.entries(variants))('the masked network with %s', (_, own) => {
  const tokens = tokenCount(own.layout);
  const { prefix } = own.layout;

  it.each([true, false])(
    'is the plain one where nothing goes; removed tokens see themselves: %s',
    async (toThemselves) => {
      const plain = await runReduced(own);
      const { answers } = await runMasked(own, uncompressed(4, tokens), toThemselves);
      expectClose(answers, plain.answers);
    },
  );

  it.each([true, false])('is the pruned one where tokens are pruned; they see themselves: %s', async (toThemselves) => {
    const pruned = [tokens, tokens - 5, tokens - 9, prefix + 4];
    const kept = { pruneKept: pruned, mergeKept: pruned };
    const reduced = await runReduced(own, kept);
    const masked = await runMasked(own, kept, toThemselves);
    expectClose(masked.answers, reduced.answers);
  });

  it.each(exactRules)(
    'answers what the compressed network answers, merged by $merging, selected by $selection.rule: $kept',
    async ({ kept: [pruneKept, mergeKept], ...rules }) => {
      const counted = (numbers: readonly number[]): number[] => numbers.map((number) => prefix + number);
      const kept = { pruneKept: counted(pruneKept), mergeKept: counted(mergeKept), ...rules };
      const reduced = await runReduced(own, kept);
      for (const toThemselves of [true, false]) {
        const masked = await runMasked(own, kept, toThemselves, false, rules);
        expectClose(masked.answers, reduced.answers);
      }
    },
  );

  it('masks the tokens that the compressed network has not, prefix tokens never', async () => {
    const kept = {
      pruneKept: [tokens, tokens - 2, tokens - 6, prefix + 5],
      mergeKept: [tokens, tokens - 4, tokens - 8, prefix + 3],
    };
    const { source, mask } = await runMasked(own, kept, true, true);
    for (let image = 0; image < images; image++) {
      const there = Array.from({ length: tokens }, (__, token) => elementAt(mask as Float64Tensor, [image, token, 0]));
      expect(there).toEqual(there.map((___, token) => Number(token < prefix + 3)));
      for (let token = 0; token < prefix; token++) {
        const from = Array.from({ length: tokens }, (___, origin) =>
          elementAt(source as Float64Tensor, [image, token, origin]),
        );
        expect(from).toEqual(from.map((____, origin) => Number(origin === token)));
      }
      // A token that merges is in one of those that stay, one that was pruned in none of them.
      const stay = Array.from({ length: tokens }, (___, origin) =>
        there.reduce((sum, one, token) => sum + one * elementAt(source as Float64Tensor, [image, token, origin]), 0),
      );
      expect(stay.every((sum) => sum === 0 || sum === 1)).toBe(true);
      // In three blocks 2, 2 and as many as were left beyond are pruned; what they stood for goes
      // with them.
      expect(stay.filter((sum) => sum === 0).length).toBeGreaterThanOrEqual(3);
      expect(stay.filter((sum) => sum === 1).length).toBeGreaterThan(prefix + 3);
    }
  });
});

describe('tokens whose attention is too small for a number', () => {
  it.each(rules.slice(2, 5))('stay there, and nothing that is gone comes back: %o', (rule) => {
    const [all, live, left] = [13, 9, 6];
    const layout = { prefix: 1, grid: [3, 4] } as const;
    const { view, feeds, fed } = drawnAttention(new RandomGenerator(3), all, 4);
    const row = fed('row', [images, 2, all], ([, , token = 0]) => (token < 4 ? 1 - token / 8 : 0));
    // What is gone is not among the last tokens, so that the order of equals does not help.
    const isThere = (token: number): boolean => token < 4 || token >= 4 + all - live;
    const mask = fed('mask', [images, all, 1], ([, token = 0]) => Number(isThere(token)));
    const features = fed('features', [images, all, 4], ([image, token = 0, channel = 0]) =>
      Math.sin(1 + (image ?? 0) + 7 * token + 3 * channel),
    );
    const size = fed('size', [images, all, 1], () => 1);
    const source = fed('source', [images, all, all], ([, token, origin]) => Number(token === origin));
    const { reducer, blocks } = diffRateSearch(
      { layout, importanceFrom: 'class-token' },
      { searched: [0], rules: rule },
    );
    const state = { features, size, mask, travellers: { source: { value: source, merging: 'sum' as const } } };
    const after = reducer.afterAttention?.(0, state, { ...view, classAttention: () => row }) as TokenState;
    const ownFeeds = maskFeeds(0, layout, blockMasks(all, live, live, left), rule.selection);
    for (const symbol of Object.values(blocks[0] ?? {})) {
      if (typeof symbol === 'number' || symbol.source.kind !== 'input') continue;
      const { shape, data } = ownFeeds[symbol.source.name] as RuntimeTensor;
      feeds.set(symbol, { shape, data: Float64Array.from(data as Iterable<number>, Number) });
    }
    const [outMask, outSource] = interpret([after.mask as Tensor, sourceOf(after) as Tensor], feeds) as [
      Float64Tensor,
      Float64Tensor,
    ];
    for (let image = 0; image < images; image++) {
      const there = Array.from({ length: all }, (_, token) => elementAt(outMask, [image, token, 0]));
      expect(there).toEqual(there.map((_, token) => Number(token < left)));
      for (let origin = 0; origin < all; origin++) {
        const within = there.map((one, token) => one * elementAt(outSource, [image, token, origin]));
        expect(within.reduce((sum, value) => sum + value)).toBe(Number(isThere(origin)));
      }
    }
  });
});

describe('the inputs of a search step', () => {
  it('are of the searched blocks, one for every position', () => {
    const own = variants['three prefix tokens'] as Network;
    const { blocks } = diffRateSearch(own, { searched: [2] });
    expect(blocks.map(({ block, mask, destinations }) => [block, mask.shape, destinations.shape])).toEqual([
      [2, [19], [19]],
    ]);
  });
});
