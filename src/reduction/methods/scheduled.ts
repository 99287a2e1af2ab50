/**
 * DiffRate (arXiv 2305.17997) by a learnt schedule, and the schedules that it is compared with.
 * These are a uniform rate, the same number in every block, and random monotone ones (the paper's
 * Fig. 4). All are `diffRate` with other kept numbers; only a learnt schedule needs images.
 */
import { DiffrateError } from '../../errors.ts';
import { importanceMetrics, metricFor } from '../importance.ts';
import { mergeRules } from '../merge-rule.ts';
import { effectiveTokens } from '../schedule.ts';
import type { KeptNumbers } from '../schedule.ts';
import { nameOf } from '../network-shape.ts';
import type { NetworkShape } from '../network-shape.ts';
import { gridTokens, smallestKept, tokenCount } from '../token-layout.ts';
import { requireSelectable, selectionNames, settledSelection } from '../selection-choice.ts';
import { diffRate, reductionOrders } from './diffrate.ts';
import type { BuiltMethod, ParameterKey, Parameters, ReductionMethod } from './method.ts';
import { ofPatches } from './per-block.ts';
import { constantSchedule, randomSchedule, uniformSchedule } from './plain-schedules.ts';

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
/** `own`: as the schedule says. */
const selectionKey: ParameterKey = {
  name: 'selection',
  kind: 'word',
  words: ['own', ...selectionNames],
  meaning: 'which tokens go: own is as the schedule says, class-attention as published',
  fallback: 'own',
};
const seedKey: ParameterKey = { name: 'seed', kind: 'integer', meaning: 'seed', fallback: 0, min: 0 };
/** What DiffRate's compression may be given besides its numbers of tokens. */
const choiceKeys: readonly ParameterKey[] = [
  metricKey,
  orderKey,
  selectionKey,
  mergingKey,
  { ...seedKey, meaning: 'seed of the random metric' },
];
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
  const rule = selectionNames.find((name) => name === parameters.text('selection'));
  const selection = rule === undefined ? kept.selection : settledSelection(rule);
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
  if (selection !== undefined && merging !== undefined && merging !== 'patches') {
    throw new DiffrateError(
      `merging=${merging} does not go with selection=${selection.rule}, which merges by patches: ` +
        'leave merging out, or use selection=class-attention.',
    );
  }
  requireSelectable(selection, network);
  const asked = { ...(metric && { metric }), ...(order && { order }), ...(merging && { merging }) };
  return {
    reducer: diffRate({ ...kept, selection }, network, { seed, ...asked }),
    tokensPerBlock: effectiveTokens(kept, tokenCount(network.layout)).map(({ tokensOut }) => tokensOut),
  };
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
    ...choiceKeys,
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
    ...choiceKeys,
  ],
  needsClassToken: false,
  mergesOnly: true,
  knob: { key: 'rate', min: () => 0.1, max: () => 1, rising: true },
  build(parameters, network) {
    const pruned = prunedOf('uniform', parameters, network);
    const kept = uniformSchedule(parameters.number('rate'), network.depth, network.layout, pruned);
    return scheduled(kept, network, parameters);
  },
};

/** `constant:removed=13`. */
export const constantMethod: ReductionMethod = {
  name: 'constant',
  title: 'DiffRate’s compression by the same number of tokens in every block',
  keys: [
    {
      name: 'removed',
      kind: 'number',
      meaning: 'tokens that go in every block but the first, a fraction being spread over blocks',
      fallback: ofPatches(13),
      min: 0,
    },
    prunedKey,
    ...choiceKeys,
  ],
  needsClassToken: false,
  mergesOnly: true,
  knob: { key: 'removed', min: () => 0, max: mostRemoved, rising: false },
  build(parameters, network) {
    const removed = parameters.number('removed');
    const most = mostRemoved(network);
    if (removed > most) {
      throw new DiffrateError(
        `constant:removed=${removed} is more than there is: ${nameOf(network)} has ${gridTokens(network.layout)} tokens ` +
          `that may go, of which one stays; lower removed to ${most}.`,
      );
    }
    const kept = constantSchedule(removed, network.depth, network.layout, prunedOf('constant', parameters, network));
    return scheduled(kept, network, parameters);
  },
};

/** Tokens that may go in one block: with more of them the second block would leave none. */
function mostRemoved({ layout }: NetworkShape): number {
  return tokenCount(layout) - smallestKept(layout);
}

/**
 * The share of the tokens that go that is pruned.
 * @throws {DiffrateError} where the network needs all of them again.
 */
function prunedOf(method: string, parameters: Parameters, network: NetworkShape): number {
  const pruned = parameters.number('pruned');
  if (!network.mergeOnly || pruned === 0) return pruned;
  throw new DiffrateError(
    `${method}:pruned=${pruned} prunes, but ${nameOf(network)} needs all tokens again after its last block: ` +
      'set pruned to 0.',
  );
}

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
    selectionKey,
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
