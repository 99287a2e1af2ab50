/** Every method of the registry in whole networks: token numbers, shapes, what is emitted, what a network cannot do, and the budget's knob. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countMethodFlops } from '../../../src/cost/method-flops.ts';
import { DiffrateError } from '../../../src/errors.ts';
import { lower } from '../../../src/graph/lower.ts';
import { input } from '../../../src/graph/tensor.ts';
import { parametersFromWeights } from '../../../src/models/parameters.ts';
import { scheduleTarget } from '../../../src/models/schedule-target.ts';
import { visionTransformer } from '../../../src/models/vision-transformer.ts';
import type { ForwardOutputs } from '../../../src/models/vision-transformer.ts';
import { buildMethod, parseMethod, reductionMethods } from '../../../src/reduction/methods/registry.ts';
import type { NamedMethod } from '../../../src/reduction/methods/registry.ts';
import { nodesOf, relativeError, runGraph } from '../../graph/run-graph.ts';
import { withLearned } from './learned-weights.ts';
import { randomValues, randomWeights, smallConfiguration, smallSchedule } from '../../random-network.ts';

const network = scheduleTarget(smallConfiguration, 'small-vit');
const pixels = input('pixel_values', 'float32', ['batch', 3, 32, 32]);
const feeds = { pixel_values: { type: 'float32' as const, shape: [3, 3, 32, 32], data: randomValues(9216, 5) } };

const build = (text: string): NamedMethod => buildMethod(parseMethod(text), network, { schedule: smallSchedule });

const forward = (method: NamedMethod, trace: boolean): ForwardOutputs =>
  visionTransformer(
    pixels,
    smallConfiguration,
    parametersFromWeights(withLearned(randomWeights(), method), 'random weights'),
    { reducer: method.reducer, trace, classTokenOnlyLastBlock: !trace },
  );

/** Every method, from removing nothing to removing all that may go. */
const uses = [
  'diffrate:schedule=s',
  'diffrate:schedule=s,metric=class-attention-value,order=merge-only',
  'uniform:rate=0.1',
  'uniform:rate=0.7,pruned=0.5',
  'random:seed=4,keep=0.5',
  'random:seed=4,keep=0.5,metric=image-attention,order=merge-only,merging=patches',
  'evit:rate=0.01,fusion=true,blocks=0/1/2/3',
  'evit:rate=0.5,blocks=0/2',
  'evit:rate=0.95,fusion=true',
  'tome:r=8',
  'tome:r=2.5',
  'tome:r=8/0/1/3,proportional=false',
  'ppt:r=8,threshold=1,blocks=0/1/2/3',
  'ppt:r=3,threshold=0,blocks=1/3',
  'pitome:ratio=0.5',
  'pitome:ratio=0.8',
  'gtp:p=15',
  'gtp:p=3,sparsity=0.5,scale=false',
  'gtp:p=1.5,graph=spatial',
  'ats:tokens=3',
  'ats:tokens=9,blocks=1/3,drop=true',
  'dynamicvit:keep=0.01,blocks=0/1/2/3',
  'dynamicvit:keep=0.7',
  'spvit:keep=0.617/0.369/0.137',
  'spvit:keep=0.8/0.8/0.5/0.01,blocks=0/1/2/3',
  'evovit:keep=0.5',
  'evovit:keep=0.01,blocks=1/2/3',
  'ltmp',
];

const nothingRemoved = [
  'tome:r=0',
  'evit:rate=1',
  'ppt:r=0',
  'pitome:ratio=1',
  'gtp:p=0',
  'uniform:rate=1',
  'random:keep=1',
  'dynamicvit:keep=1',
  'spvit:keep=1/1/1',
  'evovit:keep=1',
];

describe('every method', () => {
  it.each(uses)('%s has the token numbers that it says, and no dimension of size zero', (text) => {
    const method = build(text);
    const { states, logits } = forward(method, true);
    expect(states.map(({ features }) => features.shape[1])).toEqual(method.tokensPerBlock);
    for (const node of nodesOf([logits, ...states.map(({ features }) => features)]))
      for (const { shape } of node.outputs) expect(shape).not.toContain(0);
    expect(method.name).toBe(text);
    expect(method.reducer.name).toBe(text);
  });

  it.each(uses)('%s answers the same where the last block computes the class token alone', async (text) => {
    const method = build(text);
    const [traced] = await runGraph([forward(method, true).logits], [pixels], feeds);
    const [exported] = await runGraph([forward(method, false).logits], [pixels], feeds);
    expect([...(traced?.data ?? [NaN])].every(Number.isFinite)).toBe(true);
    expect(relativeError(exported as NonNullable<typeof exported>, traced as NonNullable<typeof traced>)).toBeLessThan(
      2e-5,
    );
  });

  it.each(nothingRemoved)('%s emits nothing', (text) => {
    const names = lower({ logits: forward(build(text), false).logits }, [pixels]).nodes.map(({ name }) => name);
    expect(names.filter((name) => /reduction|graph|merge|match/.test(name))).toEqual([]);
    expect(build(text).tokensPerBlock).toEqual([17, 17, 17, 17]);
  });

  it('is listed with distinct names and documented keys', () => {
    const names = reductionMethods.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { keys, knob } of reductionMethods) {
      expect(keys.every(({ meaning }) => meaning.length > 3)).toBe(true);
      if (knob !== undefined) expect(keys.map(({ name }) => name)).toContain(knob.key);
    }
  });

  it.each(reductionMethods.filter(({ knob }) => knob !== undefined).map(({ name }) => name))(
    '%s costs more or less as its knob is turned',
    (name) => {
      const { knob } = build(name).method;
      if (knob === undefined) return;
      const number = fc.double({ min: knob.min, max: knob.max(network), noNaN: true });
      const cost = (value: number): number => {
        const text = `${name}:${knob.key}=${knob.whole === true ? Math.round(value) : value.toFixed(6)}`;
        return countMethodFlops(smallConfiguration, build(text).tokensPerBlock).total;
      };
      fc.assert(
        fc.property(number, number, (one, other) => {
          const [low, high] = [Math.min(one, other), Math.max(one, other)];
          const [cheap, dear] = knob.rising ? [low, high] : [high, low];
          expect(cost(cheap)).toBeLessThanOrEqual(cost(dear));
        }),
      );
      const ends = [cost(knob.min), cost(knob.max(network))];
      expect(ends[0]).not.toBe(ends[1]);
    },
  );
});

describe('buildMethod', () => {
  it.each([
    ['tome:r=9', /tome:r=9 is more than can merge: small-vit has 17 tokens.*lower r to 8/],
    ['tome:r=1/2', /has 2 numbers but small-vit has 4 blocks/],
    ['tome:r=1/2/3/0.5', /has 0\.5 for a block: give whole numbers for the blocks/],
    ['tome:r=1/2/3', /has 3 numbers but .* has 4 blocks: give one number, or a whole number for each block/],
    ['ppt:r=9', /lower r to 8/],
    ['gtp:p=16', /lower p to at most 15/],
    ['evit:blocks=4', /names block 4 but small-vit has the blocks 0 to 3/],
    ['ats:tokens=18', /lower it to at most 17/],
    ['spvit:keep=0.5/0.4', /has 2 shares for the 3 blocks 1\/2\/3/],
    ['dynamicvit:blocks=4', /names block 4 but small-vit has the blocks 0 to 3/],
  ])('refuses %s', (text, sentence) => {
    expect(() => build(text)).toThrow(DiffrateError);
    expect(() => build(text)).toThrow(sentence);
  });

  it('refuses what needs a class token where there is none, and DiffRate without a schedule', () => {
    const without = { ...network, hasClassToken: false };
    for (const { name, needsClassToken } of reductionMethods) {
      const attempt = (): unknown => buildMethod(parseMethod(name), without, { schedule: smallSchedule });
      if (needsClassToken) expect(attempt).toThrow(/class token, which small-vit does not have/);
      else expect(attempt).not.toThrow();
    }
    expect(() => buildMethod(parseMethod('diffrate'), network)).toThrow(/needs a schedule/);
  });

  it('refuses what is trained where the head reads a mean', () => {
    for (const { name } of reductionMethods.filter(({ trained }) => trained === true)) {
      const attempt = (): unknown => buildMethod(parseMethod(name), { ...network, pool: 'mean' });
      expect(attempt).toThrow(/read their class token, and small-vit does not/);
    }
  });

  it('leaves proportional attention off by default where the head reads a mean', () => {
    const keySizes = (pool: 'class-token' | 'mean'): unknown =>
      buildMethod(parseMethod('tome'), { ...network, pool, tokens: 65 }).reducer.keySizes?.(0, {
        features: pixels,
        size: pixels,
      });
    expect(keySizes('class-token')).toBe(pixels);
    expect(keySizes('mean')).toBeUndefined();
  });
});
