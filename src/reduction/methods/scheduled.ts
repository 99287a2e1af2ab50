/**
 * DiffRate (arXiv 2305.17997) by a learnt schedule, and the two schedules that it is compared with: a uniform rate, and random monotone
 * ones (the paper's Fig. 4). All three are `diffRate` with other kept numbers; a random or uniform schedule needs no images.
 */
import { DiffrateError } from '../../errors.ts';
import { importanceMetrics } from '../importance.ts';
import { mergeRules } from '../merge-rule.ts';
import { uniformNumbers } from '../random-numbers.ts';
import { effectiveTokens } from '../schedule.ts';
import type { KeptNumbers } from '../schedule.ts';
import type { ScheduleTarget } from '../validate-schedule.ts';
import { diffRate, reductionOrders } from './diffrate.ts';
import type { BuiltMethod, ParameterKey, Parameters, ReductionMethod } from './method.ts';

const metricKey: ParameterKey = {
  name: 'metric',
  kind: 'word',
  words: importanceMetrics,
  meaning: 'how tokens are ranked',
  fallback: 'class-attention',
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

function scheduled(kept: KeptNumbers, network: ScheduleTarget, parameters?: Parameters): BuiltMethod {
  const { tokens, hasClassToken: classToken } = network;
  const metric = importanceMetrics.find((name) => name === parameters?.text('metric'));
  const order = reductionOrders.find((name) => name === parameters?.text('order'));
  const merging = mergeRules.find((name) => name === parameters?.text('merging'));
  const seed = parameters?.number('seed') ?? 0;
  const asked = { ...(metric && { metric }), ...(order && { order }), ...(merging && { merging }) };
  return {
    reducer: diffRate(kept, tokens, { classToken, seed, ...asked }),
    tokensPerBlock: effectiveTokens(kept, tokens).map(({ tokensOut }) => tokensOut),
  };
}

/** Kept numbers from the tokens after each block; of what goes in a block the given share is pruned. */
function keptNumbers(
  tokensOut: readonly number[],
  tokens: number,
  prunedShare: (block: number) => number,
): KeptNumbers {
  const pruneKept = tokensOut.map((left, block) => {
    const entered = tokensOut[block - 1] ?? tokens;
    return entered - Math.round(prunedShare(block) * (entered - left));
  });
  return { pruneKept, mergeKept: tokensOut };
}

/** At least two tokens stay, so that none is merged into a class token. */
const patchesLeft = (patches: number): number => Math.max(1, Math.round(patches)) + 1;

/** Kept numbers where every block but the first keeps the same share of the patch tokens that enter it. */
export function uniformSchedule(rate: number, depth: number, tokens: number, pruned = 0): KeptNumbers {
  const tokensOut = Array.from({ length: depth }, (_, block) => patchesLeft((tokens - 1) * rate ** block));
  return keptNumbers(tokensOut, tokens, () => pruned);
}

/**
 * Random kept numbers that never rise: each block but the first lets an exponentially distributed share of the logarithm go, scaled so that
 * a patch token is on the mean over blocks there with probability `keep`; what goes is pruned and merged in random shares.
 */
export function randomSchedule(seed: number, keep: number, depth: number, tokens: number): KeptNumbers {
  const draws = uniformNumbers(2 * depth, seed);
  let sum = 0;
  const steps = Array.from({ length: depth }, (_, block) =>
    block === 0 ? 0 : (sum += Math.log(Math.max(draws[block] ?? 0, 1e-6))),
  );
  const mean = (scale: number): number => steps.reduce((total, step) => total + Math.exp(scale * step), 0) / depth;
  let [low, high] = [0, 1e3];
  for (let turn = 0; turn < 60; turn++) {
    const middle = (low + high) / 2;
    if (mean(middle) > keep) low = middle;
    else high = middle;
  }
  const tokensOut = steps.map((step) => patchesLeft((tokens - 1) * Math.exp(low * step)));
  return keptNumbers(tokensOut, tokens, (block) => draws[depth + block] ?? 0);
}

/** `diffrate:schedule=deit_tiny_patch16_224@0.8`, `diffrate:schedule=schedule.json,metric=random,order=prune-only`. */
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
  build(parameters, network, { schedule }) {
    if (schedule === undefined) {
      throw new DiffrateError(
        'diffrate needs a schedule: give diffrate:schedule=FILE, or the name of a published one such as diffrate:schedule=0.8.',
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
  knob: { key: 'rate', min: 0.1, max: () => 1, rising: true },
  build(parameters, network) {
    const { depth, tokens } = network;
    const kept = uniformSchedule(parameters.number('rate'), depth, tokens, parameters.number('pruned'));
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
  knob: { key: 'keep', min: 0.1, max: () => 1, rising: true },
  build(parameters, network) {
    const { depth, tokens } = network;
    const kept = randomSchedule(parameters.number('seed'), parameters.number('keep'), depth, tokens);
    return scheduled(kept, network, parameters);
  },
};
