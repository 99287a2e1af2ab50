/**
 * Every method of the registry in whole networks: token numbers, shapes, what is emitted, and the
 * budget's knob.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countMethodFlops } from '../../../src/cost/method-flops.ts';
import { lower } from '../../../src/graph/lower.ts';
import { forward, pixelInput } from '../../../src/networks/forward.ts';
import type { ForwardOutputs } from '../../../src/networks/forward.ts';
import { namedShape } from '../../../src/networks/model.ts';
import { parametersFromWeights } from '../../../src/networks/parameters.ts';
import { buildMethod, parseMethod, reductionMethods } from '../../../src/reduction/methods/registry.ts';
import type { NamedMethod } from '../../../src/reduction/methods/registry.ts';
import { nodesOf, relativeError, runGraph } from '../../graph/run-graph.ts';
import { withLearned } from './learned-weights.ts';
import { randomValues, randomWeights, smallSchedule } from '../../random-network.ts';
import { smallNetwork } from '../../small-networks.ts';

const network = namedShape(smallNetwork(), 'small-vit');
const pixels = pixelInput(network);
const feeds = { pixel_values: { type: 'float32' as const, shape: [3, 3, 32, 32], data: randomValues(9216, 5) } };

const build = (text: string): NamedMethod => buildMethod(parseMethod(text), network, { schedule: smallSchedule });

const built = (method: NamedMethod, trace: boolean): ForwardOutputs =>
  forward(network, pixels, {
    parameters: parametersFromWeights(withLearned(randomWeights(), method), 'random weights'),
    reducer: method.reducer,
    trace,
    prefixOnlyLastBlock: !trace,
  });

/** Every method, from removing nothing to removing all that may go. */
const uses = [
  'diffrate:schedule=s',
  'diffrate:schedule=s,metric=class-attention-value,order=merge-only',
  'uniform:rate=0.1',
  'uniform:rate=0.7,pruned=0.5',
  'diffrate:schedule=s,selection=dissimilarity',
  'uniform:rate=0.1,selection=dissimilarity',
  'constant:removed=2.5',
  'constant:removed=4,pruned=0.5,selection=dissimilarity',
  'constant:removed=15,order=merge-prune,selection=dissimilarity,merging=patches',
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
  'mctf:r=3',
  'mctf:r=7/0/2/1,info=0,pooling=maximum',
  'mctf:share=0.3,blocks=0/2,bidirection=false,pooling=mean',
  'mctf:r=2.5,ahead=0,pooling=size',
  'mctf:r=3,sim=2,ahead=2,proportional=false',
  'tofu:r=3',
  'tofu:r=8/0/1/3,prune=0,sizes=true',
  'tofu:ratio=0.8,variant=third-party',
  'atc:keep=0.5',
  'atc:clusters=9/9/4,blocks=0/1/3,linkage=single,proportional=false',
  'kmedoids:keep=0.6',
  'kmedoids:clusters=1/1,blocks=1/3,iterations=1',
  'dpcknn:keep=0.6,neighbours=3',
  'transforming:r=3',
  'transforming:r=15/0/1/3,partners=1',
  'ats:tokens=3',
  'ats:tokens=9,blocks=1/3,drop=true',
  'dynamicvit:keep=0.01,blocks=0/1/2/3',
  'dynamicvit:keep=0.7',
  'spvit:keep=0.617/0.369/0.137',
  'spvit:keep=0.8/0.8/0.5/0.01,blocks=0/1/2/3',
  'evovit:keep=0.5',
  'evovit:keep=0.01,blocks=1/2/3',
  'ltmp',
  'dtem:r=3',
  'dtem:r=8/0/1/3,width=5',
];

const nothingRemoved = [
  'tome:r=0',
  'evit:rate=1',
  'ppt:r=0',
  'pitome:ratio=1',
  'gtp:p=0',
  'transforming:r=0',
  'tofu:r=0',
  'atc:keep=1',
  'kmedoids:keep=1',
  'dpcknn:keep=1',
  'mctf:r=0',
  'mctf:r=0,ahead=0',
  'uniform:rate=1',
  'constant:removed=0,selection=dissimilarity',
  'random:keep=1',
  'dynamicvit:keep=1',
  'spvit:keep=1/1/1',
  'evovit:keep=1',
  'dtem:r=0',
];

describe('every method', () => {
  it.each(uses)('%s has the token numbers that it says, and no dimension of size zero', (text) => {
    const method = build(text);
    const { states, answer } = built(method, true);
    expect(states.map(({ features }) => features.shape[1])).toEqual(method.tokensPerBlock);
    for (const node of nodesOf([answer, ...states.map(({ features }) => features)]))
      for (const { shape } of node.outputs) expect(shape).not.toContain(0);
    expect(method.name).toBe(text);
    expect(method.reducer.name).toBe(text);
  });

  it.each(uses)('%s answers the same where the last block computes the class token alone', async (text) => {
    const method = build(text);
    const [traced] = await runGraph([built(method, true).answer], [pixels], feeds);
    const [exported] = await runGraph([built(method, false).answer], [pixels], feeds);
    expect([...(traced?.data ?? [NaN])].every(Number.isFinite)).toBe(true);
    expect(relativeError(exported as NonNullable<typeof exported>, traced as NonNullable<typeof traced>)).toBeLessThan(
      2e-5,
    );
  });

  it.each(nothingRemoved)('%s emits nothing', (text) => {
    const names = lower({ answer: built(build(text), false).answer }, [pixels]).nodes.map(({ name }) => name);
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
      const number = fc.double({ min: knob.min(network), max: knob.max(network), noNaN: true });
      const cost = (value: number): number => {
        const text = `${name}:${knob.key}=${knob.whole === true ? Math.round(value) : value.toFixed(6)}`;
        const { tokensPerBlock, work } = build(text);
        return countMethodFlops(network, tokensPerBlock, work).total;
      };
      fc.assert(
        fc.property(number, number, (one, other) => {
          const [low, high] = [Math.min(one, other), Math.max(one, other)];
          const [cheap, dear] = knob.rising ? [low, high] : [high, low];
          expect(cost(cheap)).toBeLessThanOrEqual(cost(dear));
        }),
      );
      const ends = [cost(knob.min(network)), cost(knob.max(network))];
      expect(ends[0]).not.toBe(ends[1]);
    },
  );
});
