/**
 * What every training-free method does to the patches of images, as `diffrate show` tells it,
 * against the whole network in plain loops.
 */
import { describe, expect, it } from 'vitest';
import { buildMethod, parseMethod, reductionMethods } from '../../src/reduction/methods/registry.ts';
import { countTokens } from '../../src/report/token-groups.ts';
import type { TokenGroups } from '../../src/report/token-groups.ts';
import { TokenTracer } from '../../src/report/token-trace.ts';
import { NetworkSession, pixelCount } from '../../src/execution/network-session.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { randomModel, randomValues, randomWeights, smallConfiguration, smallSchedule } from '../random-network.ts';
import { atcPlainly, tofuPlainly } from '../reduction/methods/plain-clusters.ts';
import {
  atsPlainly,
  contributionScores,
  evitPlainly,
  gtpGraphPlainly,
  gtpPlainly,
  pitomePlainly,
  pptPlainly,
  smoothedPlainly,
  tomePlainly,
} from '../reduction/methods/plain-methods.ts';
import type { PlainToken } from '../reduction/methods/plain-methods.ts';
import { runMethodPlainly, runPlainly } from '../reduction/plain-network.ts';
import type { PlainMethod } from '../reduction/plain-network.ts';

const model = randomModel();
const { network } = model;
const { depth } = network;
const weights = randomWeights();
const images = [3, 4, 5].map((seed) => randomValues(pixelCount(network.input), seed));

/** The groups of a token's patches, in no order: what a picture shows. */
const partition = (groups: readonly (readonly number[])[]): string[] =>
  groups
    .filter((patches) => patches.length > 0)
    .map((patches) => [...patches].sort((a, b) => a - b).join(' '))
    .sort();

const traced = ({ owners, sizes }: TokenGroups): string[] =>
  partition(Array.from(sizes, (_, token) => [...owners.keys()].filter((patch) => owners[patch] === token)));

const plain = (tokens: readonly PlainToken[]): string[] =>
  partition(tokens.map(({ source }) => [...source].filter((token) => token > 0).map((token) => token - 1)));

/** Attention without sizes. */
const withoutSizes: PlainMethod['weigh'] = (logits) => {
  const powers = logits.map((logit) => Math.exp(logit));
  const total = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / total);
};

/** ATS: the tokens that are there, and as many slots as the graph has. */
function atsMethodPlainly(references: number): PlainMethod {
  let slots = 17;
  let weighing = 17;
  const everyone = (tokens: { readonly length: number }): boolean[] => Array<boolean>(tokens.length).fill(true);
  return {
    weigh: (logits) => smoothedPlainly(logits, everyone(logits), weighing),
    reduce(tokens, attention, block) {
      if (block === 0) [slots, weighing] = [17, 17];
      if (block < 1) return tokens;
      const there = everyone(tokens);
      const kept = atsPlainly(contributionScores(attention, there, 1), there, slots, references, 1);
      slots = Math.min(slots, references);
      weighing = slots;
      return kept.map((index) => tokens[index] as PlainToken);
    },
  };
}

/** GTP, whose graph is between the patches that are left. */
function gtpMethodPlainly(propagated: number): PlainMethod {
  let graph: number[][] = [];
  return {
    begin(tokens) {
      graph = gtpGraphPlainly(
        tokens.map(({ features }) => features),
        'mixed',
        8,
        { prefix: 1, grid: [4, 4] },
      );
    },
    reduce(tokens, attention) {
      const place = tokens.map(({ source }) => Math.min(...source));
      const now = place.map((row) => place.map((column) => graph[row]?.[column] ?? 0));
      return gtpPlainly(tokens, attention, now, propagated, 0.1, 1);
    },
  };
}

/** Per method as it is asked for: the same in plain loops. */
const plainMethods: Readonly<Record<string, PlainMethod>> = {
  'tome:r=3': { reduce: (tokens, attention) => tomePlainly(tokens, attention, 3, 1) },
  'tome:r=6/0/4/1,proportional=false': {
    weigh: withoutSizes,
    reduce: (tokens, attention, block) => tomePlainly(tokens, attention, [6, 0, 4, 1][block] ?? 0, 1),
  },
  'evit:rate=0.6,blocks=1/3': {
    reduce: (tokens, attention, block) => (block % 2 === 1 ? evitPlainly(tokens, attention, 0.6, false, 1) : tokens),
  },
  'evit:rate=0.6,fusion=true,blocks=1/3': {
    reduce: (tokens, attention, block) => (block % 2 === 1 ? evitPlainly(tokens, attention, 0.6, true, 1) : tokens),
  },
  'ppt:r=4,threshold=0.003,blocks=1/2': {
    reduce: (tokens, attention, block) =>
      block === 1 || block === 2 ? pptPlainly(tokens, attention, 4, 0.003, 1) : tokens,
  },
  'pitome:ratio=0.8': {
    weigh: withoutSizes,
    reduce: (tokens, attention, block) => pitomePlainly(tokens, attention, 0.8, block, depth, 1),
  },
  'tofu:r=3': {
    reduce: (tokens, attention, block) =>
      tofuPlainly(tokens, attention, { wanted: 3, prunes: block < 2, variant: 'formula', sizes: false }, 1),
  },
  'atc:keep=0.6': {
    reduce: (tokens, attention, block) =>
      block < 1 ? tokens : atcPlainly(tokens, attention, [9, 5, 3][block - 1] ?? 0, 'average', true, 1),
  },
  'gtp:p=3': gtpMethodPlainly(3),
  'ats:tokens=12': atsMethodPlainly(12),
};

async function traceAll(text: string): Promise<TokenGroups[][]> {
  const { reducer } = buildMethod(parseMethod(text), network, { schedule: smallSchedule });
  const tracer = await TokenTracer.load(model, reducer);
  const all: TokenGroups[][] = [];
  for (const pixels of images) all.push(await tracer.trace(pixels));
  await tracer.dispose();
  return all;
}

describe('the patches of an image, block by block, are those of plain loops:', () => {
  it.each(Object.keys(plainMethods))('%s', async (text) => {
    const found = await traceAll(text);
    for (const [image, pixels] of images.entries()) {
      const { perBlock } = runMethodPlainly(smallConfiguration, weights, pixels, plainMethods[text] as PlainMethod);
      expect(found[image]?.map(traced)).toEqual(perBlock.map(plain));
      // The class token is a token without a patch.
      expect(found[image]?.map((groups) => groups.sizes.length)).toEqual(perBlock.map(({ length }) => length));
    }
  });

  it.each(['prune-merge', 'merge-prune', 'prune-only', 'merge-only'] as const)('diffrate, order %s', async (order) => {
    const found = await traceAll(`diffrate:schedule=x,order=${order}`);
    const { pruneKept, mergeKept } = smallSchedule;
    const kept = {
      'prune-merge': { pruneKept, mergeKept },
      'merge-prune': { pruneKept, mergeKept },
      'prune-only': { pruneKept: mergeKept, mergeKept },
      'merge-only': { pruneKept: pruneKept.map(() => 17), mergeKept },
    }[order];
    const merging = 'similarity';
    for (const [image, pixels] of images.entries()) {
      const { perBlock } = runPlainly(
        smallConfiguration,
        weights,
        pixels,
        kept,
        'class-attention',
        { order, prefix: 1, merging },
        () => [],
      );
      expect(found[image]?.map(traced)).toEqual(perBlock.map(plain));
    }
  });

  it('of every method that needs no training', () => {
    const tested = new Set(['diffrate', ...Object.keys(plainMethods).map((text) => text.split(':')[0])]);
    const byDiffrate = ['uniform', 'constant', 'random'];
    // Source maps of these are compared in `test/reduction/methods` and by the golden check.
    const elsewhere = ['dpcknn', 'kmedoids', 'mctf', 'transforming'];
    expect(
      reductionMethods
        .filter(({ trained }) => trained !== true)
        .map(({ name }) => name)
        .filter((name) => !tested.has(name))
        .sort(),
    ).toEqual([...byDiffrate, ...elsewhere].sort());
  });
});

describe('where images differ', () => {
  it('ATS keeps other numbers for each, and they are those that its FLOPs are counted with', async () => {
    const found = await traceAll('ats:tokens=12');
    const numbers = found.map((blocks) => blocks.map(({ sizes }) => sizes.length));
    expect(new Set(numbers.map((one) => one.join())).size).toBeGreaterThan(1);
    const { reducer } = buildMethod(parseMethod('ats:tokens=12'), network);
    const session = await NetworkSession.load(model, { runtime: nodeRuntime, reducer });
    for (const [image, pixels] of images.entries())
      expect((await session.runCounted(pixels)).tokensPerBlock).toEqual([numbers[image]]);
    await session.dispose();
    for (const counts of found.flat().map(countTokens)) {
      expect(counts).toMatchObject({ mergedTokens: 0, mergedPatches: 0, untouched: counts.tokens - 1 });
      expect(counts.prunedPatches).toBe(16 - counts.untouched);
    }
  });

  it('PPT prunes in one and merges in another', async () => {
    const found = await traceAll('ppt:r=4,threshold=0.003,blocks=1/2');
    const first = found.map((blocks) => countTokens(blocks[1] as TokenGroups));
    expect(first.some(({ mergedPatches, prunedPatches }) => mergedPatches === 0 && prunedPatches === 4)).toBe(true);
    expect(first.some(({ mergedPatches, prunedPatches }) => mergedPatches > 0 && prunedPatches === 0)).toBe(true);
  });
});
