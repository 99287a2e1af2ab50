/**
 * The masked network of a search: the plain network where nothing is masked, and the pruned one
 * where tokens are.
 */
import { describe, expect, it } from 'vitest';
import { blockMasks, maskFeeds } from '../../src/execution/masks.ts';
import { forward, pixelInput } from '../../src/networks/forward.ts';
import type { Network } from '../../src/networks/network.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { diffRateSearch } from '../../src/reduction/methods/diffrate-search.ts';
import { effectiveTokens, uncompressed } from '../../src/reduction/schedule.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { tokenCount } from '../../src/reduction/token-layout.ts';
import { sourceOf } from '../../src/reduction/token-state.ts';
import type { TokenState } from '../../src/reduction/token-state.ts';
import { floats } from '../../src/runtime/runtime.ts';
import type { RuntimeTensor } from '../../src/runtime/runtime.ts';
import { elementAt } from '../graph/float64-array.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { runGraph } from '../graph/run-graph.ts';
import { randomValues } from '../random-network.ts';
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

function feedsFor(own: Network, kept: KeptNumbers): Record<string, RuntimeTensor> {
  const { channels, height, width } = own.input;
  const pixels = randomValues(images * channels * height * width, 21);
  const feeds: Record<string, RuntimeTensor> = { pixel_values: floats(pixels, [images, channels, height, width]) };
  const tokens = tokenCount(own.layout);
  for (const [block, { tokensIn }] of effectiveTokens(kept, tokens).entries()) {
    if (!searched.includes(block)) continue;
    const masks = blockMasks(tokens, tokensIn, kept.pruneKept[block] ?? NaN, kept.mergeKept[block] ?? NaN);
    Object.assign(feeds, maskFeeds(block, own.layout, masks));
  }
  return feeds;
}

interface Masked {
  readonly answers: Float64Tensor;
  readonly source: Float64Tensor | undefined;
  readonly mask: Float64Tensor | undefined;
}

/** The masked network; traced, every token of every block is computed. */
async function runMasked(own: Network, kept: KeptNumbers, toThemselves: boolean, trace = false): Promise<Masked> {
  const parameters = parametersFromWeights(smallWeights(own), 'random weights');
  const { reducer, blocks } = diffRateSearch(own, { searched, toThemselves });
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
  ]);
  const [answers, ...rest] = (await runGraph(asked, [pixels, ...inputs], feedsFor(own, kept))) as [
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

describe('the inputs of a search step', () => {
  it('are of the searched blocks, one for every position', () => {
    const own = variants['three prefix tokens'] as Network;
    const { blocks } = diffRateSearch(own, { searched: [2] });
    expect(blocks.map(({ block, mask, destinations }) => [block, mask.shape, destinations.shape])).toEqual([
      [2, [19], [19]],
    ]);
  });
});
