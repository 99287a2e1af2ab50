/**
 * Whole networks with DiffRate, as ONNX Runtime computes them, against plain loops; and what their
 * graphs hold.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../src/data/random.ts';
import { lower } from '../../src/graph/lower.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { forward, pixelInput } from '../../src/networks/forward.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import type { VisionTransformerConfiguration } from '../../src/networks/vision-transformer/configuration.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { importance, importanceMetrics } from '../../src/reduction/importance.ts';
import { diffRate, prunesBeforeAttention, reductionOrders } from '../../src/reduction/methods/diffrate.ts';
import type { DiffRateOptions } from '../../src/reduction/methods/diffrate.ts';
import { effectiveTokens } from '../../src/reduction/schedule.ts';
import { mergeRules } from '../../src/reduction/merge-rule.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import type { Selection } from '../../src/reduction/selection.ts';
import type { TokenReducer } from '../../src/reduction/token-reducer.ts';
import { sourceOf } from '../../src/reduction/token-state.ts';
import type { TokenState } from '../../src/reduction/token-state.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { interpret } from '../graph/float64-interpreter.ts';
import { nodesOf, runGraph } from '../graph/run-graph.ts';
import { randomValues, randomWeights, smallConfiguration } from '../random-network.ts';
import { smallNetwork } from '../small-networks.ts';
import { drawnAttention } from './drawn-attention.ts';
import { selectPlainly } from './plain-dissimilarity.ts';
import { runMethodPlainly, runPlainly } from './plain-network.ts';
import type { PlainMethod, RandomScores } from './plain-network.ts';

/** Tokens of both networks, which are ranked by their class token. */
const ranked = smallNetwork();
const { channels, height, width } = ranked.input;
const tokens = 17;
const images = 2;
const imageValues = channels * height * width;

const configurations: Readonly<Record<'class-token' | 'mean', VisionTransformerConfiguration>> = {
  'class-token': smallConfiguration,
  mean: { ...smallConfiguration, pool: 'mean' },
};

/** Kept numbers with early pruning, late pruning, merging alone, and blocks that remove nothing. */
const schedules: readonly KeptNumbers[] = [
  { pruneKept: [17, 9, 9, 6], mergeKept: [17, 8, 9, 4] },
  { pruneKept: [16, 16, 12, 3], mergeKept: [14, 14, 7, 3] },
  { pruneKept: [17, 13, 17, 8], mergeKept: [11, 10, 10, 2] },
];

/** Of each schedule. */
const selections: readonly Selection[] = [
  dissimilarity,
  { ...dissimilarity, power: 1.4, perSize: 1, weight: 1, norm: 0.8, coherence: 0.5 },
  { ...dissimilarity, candidates: 1, weight: 0, norm: 0 },
];

interface Built {
  readonly outputs: Record<string, Tensor>;
  readonly pixels: Tensor;
}

function network(pool: 'class-token' | 'mean', reducer: TokenReducer, trace: boolean): Built {
  const configuration = configurations[pool];
  const own = smallNetwork(configuration);
  const parameters = parametersFromWeights(randomWeights(configuration), 'random weights');
  const pixels = pixelInput(own);
  const { answer, states } = forward(own, pixels, { parameters, reducer, trace, prefixOnlyLastBlock: !trace });
  const outputs: Record<string, Tensor> = { logits: answer };
  const last = states.at(-1) as TokenState;
  const source = sourceOf(last);
  if (trace && last.size !== undefined) outputs['size'] = last.size;
  if (trace && source !== undefined) outputs['source'] = source;
  return { outputs, pixels };
}

async function run({ outputs, pixels }: Built, seed: number): Promise<Record<string, Float64Tensor>> {
  const data = randomValues(images * imageValues, seed);
  const feed = { type: 'float32' as const, shape: [images, channels, height, width], data };
  const results = await runGraph(Object.values(outputs), [pixels], { pixel_values: feed });
  return Object.fromEntries(Object.keys(outputs).map((name, index) => [name, results[index] as Float64Tensor]));
}

function expectClose(found: Float64Tensor | undefined, wanted: readonly number[], tolerance: number): void {
  const largest = Math.max(...wanted.map(Math.abs));
  expect(found?.data.length).toBe(wanted.length);
  wanted.forEach((value, index) =>
    expect(Math.abs(value - (found?.data[index] ?? NaN)) / largest).toBeLessThan(tolerance),
  );
}

/**
 * The order that a seed gives, taken from the symbolic metric itself; its properties are tested
 * above.
 */
const randomScores: RandomScores = (block, count) => {
  const { view, feeds } = drawnAttention(new RandomGenerator(1), count, 4);
  return [...(interpret([importance('random', view, ranked.layout, block)], feeds)[0]?.data.slice(0, count) ?? [])];
};

const variants = [
  ...reductionOrders.map((order, index) => ({ order, metric: 'class-attention' as const, schedule: index % 3 })),
  ...importanceMetrics.map((metric, index) => ({ order: 'prune-merge' as const, metric, schedule: index % 3 })),
  ...mergeRules.map((merging, index) => ({
    order: 'merge-only' as const,
    metric: 'class-attention' as const,
    schedule: index % 3,
    merging,
  })),
  { order: 'merge-prune' as const, metric: 'image-attention' as const, schedule: 1 },
].flatMap((variant) => [
  { merging: 'similarity' as const, ...variant, pool: 'class-token' as const },
  { merging: 'similarity' as const, ...variant, pool: 'mean' as const },
]);

describe('a network with DiffRate', () => {
  it.each(reductionOrders)('whose last block keeps the class token alone merges nothing into it: %s', async (order) => {
    const kept: KeptNumbers = { pruneKept: [17, 13, 10, 1], mergeKept: [15, 12, 9, 1] };
    const [traced, exported] = [
      await run(network('class-token', diffRate(kept, ranked, { order }), true), 5),
      await run(network('class-token', diffRate(kept, ranked, { order }), false), 5),
    ];
    expectClose(exported['logits'], [...(traced['logits']?.data ?? [])], 1e-5);
    // Of the patches none is in the one token that is left.
    const perImage = (traced['source']?.data.length ?? 0) / images;
    for (let image = 0; image < images; image++) {
      const source = traced['source']?.data.slice(image * perImage, (image + 1) * perImage);
      expect([...(source ?? [])]).toEqual(Array.from({ length: tokens }, (_, token) => (token === 0 ? 1 : 0)));
    }
  });

  it.each(variants)(
    'computes what plain loops do: $order, $merging, $metric, $pool, schedule $schedule',
    async ({ order, metric, pool, schedule, merging }) => {
      // The rule is the schedule's own, as in a file.
      const kept: KeptNumbers = { ...(schedules[schedule] as KeptNumbers), merging };
      const options: DiffRateOptions = { order, metric };
      const seed = 11 + schedule;
      const traced = await run(network(pool, diffRate(kept, ranked, options), true), seed);
      const exported = await run(network(pool, diffRate(kept, ranked, options), false), seed);
      const pixels = randomValues(images * imageValues, seed);
      const wanted = Array.from({ length: images }, (_, image) =>
        runPlainly(
          configurations[pool],
          randomWeights(configurations[pool]),
          pixels.subarray(image * imageValues, (image + 1) * imageValues),
          kept,
          metric,
          { order, prefix: 1, merging },
          randomScores,
        ),
      );
      const logits = wanted.flatMap((outcome) => outcome.logits);
      expectClose(traced['logits'], logits, 1e-4);
      expectClose(exported['logits'], logits, 1e-4);
      if (order === 'prune-only') expect(traced['size']).toBeUndefined();
      else
        expectClose(
          traced['size'],
          wanted.flatMap((outcome) => outcome.tokens.map(({ size }) => size)),
          1e-4,
        );
      const source = wanted.flatMap((outcome) =>
        outcome.tokens.flatMap((token) => Array.from({ length: tokens }, (_, from) => Number(token.source.has(from)))),
      );
      expect([...(traced['source']?.data ?? [])]).toEqual(source);
    },
  );

  it.each(['class-token', 'mean'] as const)(
    'prunes before attention with the result of pruning after it: %s',
    async (pool) => {
      let earlier = 0;
      for (const kept of schedules) {
        const early = diffRate(kept, ranked);
        const { selectQueries, ...late } = early;
        expect(selectQueries).toBeDefined();
        const [one, other] = [network(pool, early, false), network(pool, late, false)];
        const gathers = (built: Built): number =>
          [...nodesOf(Object.values(built.outputs))].filter(({ scope }) => scope.endsWith('attention/reduction/gather'))
            .length;
        expect(gathers(other)).toBe(0);
        earlier += gathers(one);
        expectClose((await run(one, 3))['logits'], [...((await run(other, 3))['logits']?.data ?? [])], 2e-5);
      }
      expect(earlier).toBeGreaterThan(0);
    },
  );

  it.each(schedules.map((kept, index) => ({ kept, selection: selections[index] })))(
    'selects by dissimilarity as plain loops do, pruning before attention and after it: $kept',
    async ({ kept, selection = dissimilarity }) => {
      const reducer = diffRate({ ...kept, merging: 'patches', selection }, ranked);
      const { selectQueries, ...late } = reducer;
      expect(selectQueries).toBeDefined();
      const pixels = randomValues(images * imageValues, 31);
      const method: PlainMethod = {
        reduce: (all, { classRow }, block) => {
          const scores = all.map(
            (_, key) => classRow.reduce((sum, row) => sum + (row[key] ?? NaN), 0) / classRow.length,
          );
          const [prune, merge] = [kept.pruneKept[block] as number, kept.mergeKept[block] as number];
          return selectPlainly(all, scores, prune, merge, 1, selection);
        },
      };
      const wanted = Array.from({ length: images }, (_, image) =>
        runMethodPlainly(
          smallConfiguration,
          randomWeights(),
          pixels.subarray(image * imageValues, (image + 1) * imageValues),
          method,
        ),
      );
      for (const one of [reducer, late]) {
        for (const trace of [true, false]) {
          const found = await run(network('class-token', one, trace), 31);
          expectClose(
            found['logits'],
            wanted.flatMap(({ logits }) => logits),
            1e-4,
          );
          if (!trace) continue;
          const sizes = wanted.flatMap((outcome) => outcome.tokens.map(({ size }) => size));
          expectClose(found['size'], sizes, 1e-5);
          const sources = wanted.flatMap((outcome) =>
            outcome.tokens.flatMap((token) =>
              Array.from({ length: tokens }, (_, from) => Number(token.source.has(from))),
            ),
          );
          expect([...(found['source']?.data ?? [])]).toEqual(sources);
        }
      }
    },
  );

  it('prunes before attention where that pays, and only there', () => {
    const model = (prune: number): boolean => {
      const kept = { pruneKept: [17, prune, 17, 17], mergeKept: [17, 17, 17, 17] };
      const built = network('class-token', diffRate(kept, ranked), false);
      return [...nodesOf(Object.values(built.outputs))].some(({ scope }) =>
        scope.endsWith('attention/reduction/gather'),
      );
    };
    expect(prunesBeforeAttention(tokens, 16, 64)).toBe(false);
    expect(prunesBeforeAttention(tokens, 6, 64)).toBe(true);
    for (const prune of [6, 10, 11, 16]) expect(model(prune)).toBe(prunesBeforeAttention(tokens, prune, 64));
    expect(prunesBeforeAttention(197, 197, 384)).toBe(false);
  });
});

const lowered = (kept: KeptNumbers, options: DiffRateOptions = {}): OnnxModel => {
  const { outputs, pixels } = network('class-token', diffRate(kept, ranked, options), true);
  return lower(outputs, [pixels]);
};

describe('the lowered graph', () => {
  it('has no reduction node in a block that removes nothing', () => {
    const kept = { pruneKept: [17, 17, 12, 15], mergeKept: [17, 13, 12, 12] };
    const names = lowered(kept).nodes.map(({ name }) => name);
    const reducing = (block: number): boolean =>
      names.some((name) => name.startsWith(`blocks.${block}/`) && name.includes('/reduction/'));
    expect([0, 1, 2, 3].map(reducing)).toEqual([false, true, true, false]);
    expect(names.some((name) => name.startsWith('blocks.1/reduction/merge/'))).toBe(true);
    // Block 2 prunes one token and merges none.
    expect(names.some((name) => name.startsWith('blocks.2/reduction/merge/'))).toBe(false);
  });

  it('never has a dimension of size zero', () => {
    const number = fc.integer({ min: 2, max: tokens + 3 });
    const list = fc.array(number, { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(list, list, fc.constantFrom(...reductionOrders), (pruneKept, mergeKept, order) => {
        const reducer = diffRate({ pruneKept, mergeKept }, ranked, { order });
        const { outputs } = network('class-token', reducer, true);
        for (const node of nodesOf(Object.values(outputs)))
          for (const { shape } of node.outputs) expect(shape).not.toContain(0);
        const left = effectiveTokens({ pruneKept, mergeKept }, tokens).at(-1)?.tokensOut;
        expect(outputs['source']?.shape).toEqual(['batch', left, tokens]);
      }),
      { numRuns: 40 },
    );
  });
});
