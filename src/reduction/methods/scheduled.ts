/**
 * DiffRate (arXiv 2305.17997) by a learnt schedule, and the two schedules that it is compared with.
 * These are a uniform rate, and random monotone ones (the paper's Fig. 4).
 * All three are `diffRate` with other kept numbers; a random or uniform schedule needs no images.
 */
import { mean } from 'd3-array';
import { DiffrateError } from '../../errors.ts';
import { importanceMetrics, metricFor } from '../importance.ts';
import { mergeRules } from '../merge-rule.ts';
import { uniformNumbers } from '../random-numbers.ts';
import { effectiveTokens } from '../schedule.ts';
import type { KeptNumbers } from '../schedule.ts';
import { nameOf } from '../network-shape.ts';
import type { NetworkShape } from '../network-shape.ts';
import { gridTokens, smallestKept, tokenCount } from '../token-layout.ts';
import type { TokenLayout } from '../token-layout.ts';
import { diffRate, reductionOrders } from './diffrate.ts';
import type { BuiltMethod, ParameterKey, Parameters, ReductionMethod } from './method.ts';

const metricKey: ParameterKey = {
  name: 'metric',
  kind: 'word',
  words: importanceMetrics,
  meaning: 'how tokens are ranked',
  fallback: ({ importanceFrom }) => metricFor(importanceFrom),
};
const orderKey: ParameterKey = {
  name: 'order',
  kind: 'word',
  words: reductionOrders,
  meaning: 'in which order a block prunes and merges',
  fallback: 'prune-merge',
};
/** `own`: as the schedule says. */
const mergingKey: ParameterKey = {
  name: 'merging',
  kind: 'word',
  words: ['own', ...mergeRules],
  meaning: 'how tokens merge: own is as the schedule says, similarity as published',
  fallback: 'own',
};
const seedKey: ParameterKey = { name: 'seed', kind: 'integer', meaning: 'seed', fallback: 0, min: 0 };
const prunedKey: ParameterKey = {
  name: 'pruned',
  kind: 'number',
  meaning: 'share of the tokens that go that is pruned, the others being merged',
  fallback: 0,
  min: 0,
  max: 1,
};

function scheduled(kept: KeptNumbers, network: NetworkShape, parameters: Parameters): BuiltMethod {
  const metric = importanceMetrics.find((name) => name === parameters.text('metric'));
  const order = reductionOrders.find((name) => name === parameters.text('order'));
  const merging = mergeRules.find((name) => name === parameters.text('merging'));
  const seed = parameters.number('seed');
  if (metric?.startsWith('class') === true && network.importanceFrom !== 'class-token') {
    throw new DiffrateError(
      `metric=${metric} needs a class token, which ${nameOf(network)} does not have: ` +
        'leave metric out, or use image-attention.',
    );
  }
  if (network.mergeOnly && order === 'prune-only') {
    throw new DiffrateError(
      `order=prune-only prunes, but ${nameOf(network)} needs all tokens again after its last block: ` +
        'use order=merge-only.',
    );
  }
  const asked = { ...(metric && { metric }), ...(order && { order }), ...(merging && { merging }) };
  return {
    reducer: diffRate(kept, network, { seed, ...asked }),
    tokensPerBlock: effectiveTokens(kept, tokenCount(network.layout)).map(({ tokensOut }) => tokensOut),
  };
}

/**
 * Kept numbers from the tokens after each block; the given share of the tokens that go is pruned.
 */
function keptNumbers(
  tokensOut: readonly number[],
  layout: TokenLayout,
  prunedShare: (block: number) => number,
): KeptNumbers {
  const pruneKept = tokensOut.map((left, block) => {
    const entered = tokensOut[block - 1] ?? tokenCount(layout);
    return entered - Math.round(prunedShare(block) * (entered - left));
  });
  return { pruneKept, mergeKept: tokensOut };
}

/**
 * How many tokens stay where this share of the patches stays: at least one patch, so that none is
 * merged into a prefix token.
 */
const tokensLeft = (layout: TokenLayout, share: number): number =>
  Math.max(smallestKept(layout), layout.prefix + Math.round(gridTokens(layout) * share));

/**
 * Kept numbers where every block but the first keeps the same share of the patch tokens that enter
 * it.
 */
export function uniformSchedule(rate: number, depth: number, layout: TokenLayout, pruned = 0): KeptNumbers {
  const tokensOut = Array.from({ length: depth }, (_, block) => tokensLeft(layout, rate ** block));
  return keptNumbers(tokensOut, layout, () => pruned);
}

/**
 * Random kept numbers that never rise. Each block but the first lets an exponentially distributed
 * share of the logarithm go. The shares are scaled so that a patch token is there with probability
 * `keep`, on average over blocks. Tokens that go are pruned and merged in random shares.
 * @param mergeOnly all that goes is merged.
 */
export function randomSchedule(
  seed: number,
  keep: number,
  depth: number,
  layout: TokenLayout,
  mergeOnly = false,
): KeptNumbers {
  const draws = uniformNumbers(2 * depth, seed);
  let sum = 0;
  const steps = Array.from({ length: depth }, (_, block) =>
    block === 0 ? 0 : (sum += Math.log(Math.max(draws[block] ?? 0, 1e-6))),
  );
  const kept = (scale: number): number => mean(steps, (step) => Math.exp(scale * step)) ?? NaN;
  let [low, high] = [0, 1e3];
  for (let turn = 0; turn < 60; turn++) {
    const middle = (low + high) / 2;
    if (kept(middle) > keep) low = middle;
    else high = middle;
  }
  const tokensOut = steps.map((step) => tokensLeft(layout, Math.exp(low * step)));
  return keptNumbers(tokensOut, layout, (block) => (mergeOnly ? 0 : (draws[depth + block] ?? 0)));
}

/**
 * `diffrate:schedule=deit_tiny_patch16_224@0.8`,
 * `diffrate:schedule=schedule.json,metric=random,order=prune-only`.
 */
export const diffrateMethod: ReductionMethod = {
  name: 'diffrate',
  title: 'DiffRate (arXiv 2305.17997) by a schedule',
  keys: [
    { name: 'schedule', kind: 'text', meaning: 'schedule file, or the name of a published one', fallback: '' },
    metricKey,
    orderKey,
    mergingKey,
    { ...seedKey, meaning: 'seed of the random metric' },
  ],
  needsClassToken: false,
  mergesOnly: true,
  build(parameters, network, { schedule }) {
    if (schedule === undefined) {
      throw new DiffrateError(
        'diffrate needs a schedule: give diffrate:schedule=FILE, or the name of a published one such as ' +
          'diffrate:schedule=0.8.',
      );
    }
    return scheduled(schedule, network, parameters);
  },
};

/** `uniform:rate=0.9`. */
export const uniformMethod: ReductionMethod = {
  name: 'uniform',
  title: 'DiffRate’s compression at a uniform rate',
  keys: [
    {
      name: 'rate',
      kind: 'number',
      meaning: 'share of patch tokens that every block but the first keeps',
      fallback: 0.9,
      min: 0.1,
      max: 1,
    },
    prunedKey,
    metricKey,
    orderKey,
    mergingKey,
    { ...seedKey, meaning: 'seed of the random metric' },
  ],
  needsClassToken: false,
  mergesOnly: true,
  knob: { key: 'rate', min: () => 0.1, max: () => 1, rising: true },
  build(parameters, network) {
    const pruned = parameters.number('pruned');
    if (network.mergeOnly && pruned > 0) {
      throw new DiffrateError(
        `uniform:pruned=${pruned} prunes, but ${nameOf(network)} needs all tokens again after its last block: ` +
          'set pruned to 0.',
      );
    }
    const kept = uniformSchedule(parameters.number('rate'), network.depth, network.layout, pruned);
    return scheduled(kept, network, parameters);
  },
};

/** `random:seed=3,keep=0.7`. */
export const randomMethod: ReductionMethod = {
  name: 'random',
  title: 'DiffRate’s compression by a random monotone schedule',
  keys: [
    { ...seedKey, meaning: 'seed of the schedule, and of the random metric' },
    {
      name: 'keep',
      kind: 'number',
      meaning: 'share of patch tokens, on the mean over blocks',
      fallback: 0.7,
      min: 0.1,
      max: 1,
    },
    metricKey,
    orderKey,
    mergingKey,
  ],
  needsClassToken: false,
  mergesOnly: true,
  knob: { key: 'keep', min: () => 0.1, max: () => 1, rising: true },
  build(parameters, network) {
    const { depth, layout, mergeOnly } = network;
    const kept = randomSchedule(parameters.number('seed'), parameters.number('keep'), depth, layout, mergeOnly);
    return scheduled(kept, network, parameters);
  },
};
