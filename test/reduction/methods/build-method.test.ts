/**
 * Methods for networks of any layout: token numbers block by block, and what a network cannot do.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../../src/errors.ts';
import { lower } from '../../../src/graph/lower.ts';
import { input } from '../../../src/graph/tensor.ts';
import type { Tensor } from '../../../src/graph/tensor.ts';
import type { Parameters } from '../../../src/nn/parameters.ts';
import { buildMethod, parseMethod, reductionMethods } from '../../../src/reduction/methods/registry.ts';
import type { NamedMethod } from '../../../src/reduction/methods/registry.ts';
import { constantSchedule, randomSchedule, uniformSchedule } from '../../../src/reduction/methods/plain-schedules.ts';
import { tokensOf } from '../../../src/reduction/network-shape.ts';
import type { NetworkShape } from '../../../src/reduction/network-shape.ts';
import { effectiveTokens } from '../../../src/reduction/schedule.ts';
import type { Schedule } from '../../../src/reduction/schedule.ts';
import { dissimilarity } from '../../../src/reduction/selection.ts';
import { smallestKept } from '../../../src/reduction/token-layout.ts';
import type { TokenLayout } from '../../../src/reduction/token-layout.ts';
import { gatherTokens } from '../../../src/reduction/token-state.ts';
import type { TokenState } from '../../../src/reduction/token-state.ts';
import type { AttendedView } from '../../../src/reduction/token-reducer.ts';

const [width, heads, depth] = [8, 2, 4];

const small: NetworkShape = {
  model: 'small-vit',
  input: { height: 32, width: 32 },
  layout: { prefix: 1, grid: [4, 4] },
  depth,
  importanceFrom: 'class-token',
  reads: 'prefix',
  mergeOnly: false,
  features: { width, heads, hiddenWidth: 4 * width },
};
const withoutPrefix: NetworkShape = {
  ...small,
  layout: { prefix: 0, grid: [4, 4] },
  importanceFrom: 'attention-received',
  reads: 'every-token',
};
const mergeOnly: NetworkShape = { ...small, mergeOnly: true };

function build(text: string, network: NetworkShape = small): NamedMethod {
  const kept = uniformSchedule(0.7, depth, network.layout);
  const rest = { model: 'small-vit', inputSize: 32, gflops: null, target: null, createdBy: '' };
  return buildMethod(parseMethod(text), network, { schedule: { ...kept, ...rest } satisfies Schedule });
}

/** Tokens after each block of a network that is nothing but its reducer. */
function countTokens({ reducer: unbound }: NamedMethod, network: NetworkShape): unknown[] {
  const parameters: Parameters = { tensor: (name, shape) => input(name, 'float32', shape), has: () => true };
  const reducer = unbound.withParameters?.(parameters) ?? unbound;
  let state: TokenState = { features: input('features', 'float32', ['batch', tokensOf(network), width]) };
  return Array.from({ length: depth }, (_, block) => {
    state = reducer.beforeBlock?.(block, state) ?? state;
    const view = viewOf(state);
    state = reducer.fuse?.(block, state, view)?.state ?? state;
    const queries = reducer.selectQueries?.(block, state, view);
    if (queries !== undefined) state = { ...gatherTokens(state, queries.indices), mask: queries.mask };
    state = reducer.afterAttention?.(block, state, view) ?? state;
    state = reducer.afterBlock?.(block, state, view) ?? state;
    return state.features.shape[1];
  });
}

function viewOf({ features }: TokenState): AttendedView {
  const tokens = features.shape[1] ?? 0;
  const of = (name: string, ...shape: (number | string)[]): Tensor => input(name, 'float32', ['batch', ...shape]);
  return {
    heads,
    keys: of('keys', heads, tokens, width / heads),
    values: of('values', heads, tokens, width / heads),
    normalized: of('normalized', tokens, width),
    classAttention: () => of('class', heads, tokens),
    probabilities: () => of('map', heads, tokens, tokens),
    attentionReceived: () => of('received', tokens, 1),
  };
}

const uses = [
  'diffrate:schedule=s',
  'uniform:rate=0.5,pruned=0.5',
  'constant:removed=2.4,pruned=0.5',
  'constant:removed=1,selection=dissimilarity',
  'random:seed=4,keep=0.4',
  'random:seed=4,keep=0.4,selection=dissimilarity',
  'evit:rate=0.6,fusion=true,blocks=0/2/3',
  'evit:rate=0.01,blocks=0/1',
  'tome:r=2/3/0/2',
  'ppt:r=2,blocks=0/1/2/3',
  'pitome:ratio=0.5',
  'gtp:p=3',
  'mctf:r=3/0/2/1',
  'mctf:share=0.4,blocks=0/1/2,ahead=0',
  'tofu:r=2/3/0/2',
  'tofu:ratio=0.9/1/0.7/0.6',
  'atc:keep=0.6',
  'kmedoids:keep=0.4',
  'dpcknn:clusters=7/3/2',
  'transforming:r=4/0/9/2',
  'ats:tokens=8',
  'dynamicvit:keep=0.6',
  'spvit:keep=0.8/0.5/0.2',
  'evovit:keep=0.3',
  'ltmp',
  'dtem:r=2/3/0/2',
];

describe('a method', () => {
  it.each(uses)('%s removes as many tokens as it says, whatever the prefix and the grid', (text) => {
    const grid = fc.tuple(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 4, max: 6 }));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5 }), grid, (prefix, shape) => {
        const { needsClassToken } = parseMethod(text).method;
        const fewest = needsClassToken ? Math.max(1, prefix) : prefix;
        const source = fewest === 0 ? withoutPrefix : small;
        const network: NetworkShape = { ...source, layout: { prefix: fewest, grid: shape } };
        const method = build(text, network);
        expect(countTokens(method, network)).toEqual(method.tokensPerBlock);
        for (const left of method.tokensPerBlock) expect(left).toBeGreaterThanOrEqual(smallestKept(network.layout));
      }),
      { numRuns: 25 },
    );
  });

  it.each([
    ['tome:r=9', /tome:r=9 is more than can merge: small-vit has 17 tokens.*lower r to 8/],
    ['tome:r=1/2', /has 2 numbers but small-vit has 4 blocks/],
    ['tome:r=1/2/3/0.5', /has 0\.5 for a block: give whole numbers for the blocks/],
    ['tome:r=1/2/3', /has 3 numbers but .* has 4 blocks: give one number, or a whole number for each block/],
    ['constant:removed=16', /constant:removed=16 is more than there is: small-vit has 16 tokens .*lower removed to 15/],
    [
      'uniform:selection=dissimilarity,merging=count',
      /^merging=count does not go with selection=dissimilarity, which merges by patches: leave merging out/,
    ],
    ['uniform:selection=entropy', /^uniform:selection must be one of own, class-attention, dissimilarity, not/],
    ['ppt:r=9', /lower r to 8/],
    ['mctf:r=9', /mctf:r=9 is more than can merge.*lower r to 8/],
    ['mctf:sim=0,info=0', /leaves sizes alone.*set sim or info above 0/],
    ['mctf:blocks=4', /names block 4/],
    ['tofu:r=9', /tofu:r=9 is more than can merge.*lower r to 8/],
    ['tofu:ratio=0.9/0.8', /has 2 numbers but small-vit has 4 blocks: give one share, or one for each block/],
    ['tofu:prune=1/2', /must be one whole number/],
    ['tofu:variant=third-party,sizes=true', /third-party code has no sizes/],
    ['atc:clusters=4/3', /must have a whole number from 1 for each of the 3 blocks 1\/2\/3/],
    ['kmedoids:blocks=0/2', /weighed by what they receive in the block before: begin with block 1/],
    ['dpcknn:blocks=4', /names block 4 but small-vit has the blocks 0 to 3/],
    ['dtem:r=9', /dtem:r=9 is more than can merge.*lower r to 8/],
    ['gtp:p=16', /lower p to at most 15/],
    ['evit:blocks=4', /names block 4 but small-vit has the blocks 0 to 3/],
    ['ats:tokens=18', /lower it to at most 17/],
    ['spvit:keep=0.5/0.4', /has 2 shares for the 3 blocks 1\/2\/3/],
    ['dynamicvit:blocks=4', /names block 4 but small-vit has the blocks 0 to 3/],
  ])('refuses %s', (text, sentence) => {
    expect(() => build(text)).toThrow(DiffrateError);
    expect(() => build(text)).toThrow(sentence);
  });

  it('counts prefix tokens where it says what is too much and too little', () => {
    const registers: NetworkShape = { ...small, layout: { prefix: 5, grid: [2, 8] } };
    expect(() => build('tome:r=9', registers)).toThrow(/has 21 tokens, of which at most 8 merge/);
    expect(() => build('gtp:p=16', registers)).toThrow(/has 21; lower p to at most 15/);
    expect(() => build('ats:tokens=6', registers)).toThrow(
      'ats:tokens=6 leaves too few beside the 5 prefix tokens of small-vit, which always stay: raise it to at least 7.',
    );
    expect(build('ats:tokens=7', registers).tokensPerBlock).toEqual([21, 7, 7, 7]);
  });

  it('refuses a network without prefix tokens where it needs one, and DiffRate without a schedule', () => {
    for (const { name, needsClassToken } of reductionMethods) {
      const attempt = (): unknown => build(name, withoutPrefix);
      if (needsClassToken) {
        expect(attempt).toThrow(DiffrateError);
        expect(attempt).toThrow(
          `${name} needs a class token, which small-vit does not have: use a network that has one, ` +
            'or a method that needs none (diffrate, uniform, constant, random, tome, pitome, gtp, mctf, tofu, kmedoids, dpcknn, atc, transforming).',
        );
      } else expect(attempt).not.toThrow();
    }
    expect(() => buildMethod(parseMethod('diffrate'), small)).toThrow(/needs a schedule/);
  });

  it('refuses prefix tokens none of which is a class token', () => {
    const registers: NetworkShape = { ...withoutPrefix, layout: { prefix: 4, grid: [4, 4] } };
    expect(() => build('evit', registers)).toThrow(/^evit needs a class token, which small-vit does not have/);
    expect(() => build('uniform:metric=class-attention', registers)).toThrow(
      'metric=class-attention needs a class token, which small-vit does not have: leave metric out, or use image-attention.',
    );
    expect(() => build('uniform', registers)).not.toThrow();
  });

  it('refuses to drop tokens that a network needs again', () => {
    for (const { name, mergesOnly } of reductionMethods) {
      const attempt = (): unknown => build(name, mergeOnly);
      if (mergesOnly === true) expect(attempt).not.toThrow();
      else {
        expect(attempt).toThrow(
          `${name} drops tokens, but small-vit needs all of them again after its last block: ` +
            'use a method that merges them (diffrate, uniform, constant, random, tome, pitome, mctf, tofu, dpcknn, atc, transforming).',
        );
      }
    }
    expect(() => build('constant:pruned=0.5', mergeOnly)).toThrow(/needs all tokens again .*: set pruned to 0/);
    expect(() => build('uniform:pruned=0.5', mergeOnly)).toThrow(/needs all tokens again .*: set pruned to 0/);
    expect(() => build('tofu:prune=1', mergeOnly)).toThrow(/needs all tokens again .*: set prune to 0/);
    expect(() => build('uniform:order=prune-only', mergeOnly)).toThrow(
      /needs all tokens again .*: use order=merge-only/,
    );
  });

  it('is not trained where every token is read', () => {
    for (const { name } of reductionMethods.filter(({ trained }) => trained === true)) {
      const attempt = (): unknown => build(name, { ...small, reads: 'every-token' });
      expect(attempt).toThrow(/read their class token, and small-vit does not/);
    }
  });

  it('leaves proportional attention off by default where every token is read', () => {
    const features = input('features', 'float32', ['batch', 17, width]);
    const keySizes = (reads: NetworkShape['reads']): unknown =>
      build('tome', { ...small, reads }).reducer.keySizes?.(0, { features, size: features });
    expect(keySizes('prefix')).toBe(features);
    expect(keySizes('every-token')).toBeUndefined();
  });
});

describe('the selection of a method', () => {
  const kept = { ...uniformSchedule(0.7, depth, small.layout), selection: dissimilarity, merging: 'patches' } as const;
  const rest = { model: 'small-vit', inputSize: 32, gflops: null, target: null, createdBy: '' };
  /** The graph of the second block's reduction, by the names of its nodes. */
  const scopes = (text: string, schedule: Schedule): string => {
    const { reducer } = buildMethod(parseMethod(text), small, { schedule });
    const features = input('features', 'float32', ['batch', 17, width]);
    const attention = input('class', 'float32', ['batch', heads, 17]);
    const view = { ...viewOf({ features }), classAttention: () => attention };
    const state = reducer.afterAttention?.(1, { features }, view);
    return lower({ left: state?.features ?? features }, [features, attention])
      .nodes.map(({ name }) => name)
      .join();
  };

  it('is that of the schedule, or the one that is named', () => {
    const [own, published] = [
      scopes('diffrate', { ...kept, ...rest }),
      scopes('uniform:rate=0.7', { ...kept, ...rest }),
    ];
    expect(own).toMatch(/select/);
    expect(published).not.toMatch(/select/);
    expect(scopes('diffrate:selection=class-attention', { ...kept, ...rest })).not.toMatch(/select/);
    expect(scopes('uniform:rate=0.7,selection=dissimilarity', { ...kept, ...rest })).toBe(own);
  });
});

describe('a constant schedule', () => {
  it('removes the same number in every block but the first, a fraction spread over them', () => {
    const layout: TokenLayout = { prefix: 1, grid: [4, 4] };
    expect(constantSchedule(2, 5, layout).mergeKept).toEqual([17, 15, 13, 11, 9]);
    expect(constantSchedule(1.25, 5, layout).mergeKept).toEqual([17, 16, 14, 13, 12]);
    expect(constantSchedule(15, 4, layout).mergeKept).toEqual([17, 2, 2, 2]);
    expect(constantSchedule(4, 3, layout, 0.25)).toEqual({ pruneKept: [17, 16, 12], mergeKept: [17, 13, 9] });
  });
});

describe('uniform and random schedules', () => {
  const layouts: fc.Arbitrary<TokenLayout> = fc.record({
    prefix: fc.integer({ min: 0, max: 6 }),
    grid: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 9 })),
  });

  it('never keep less than the prefix and a patch, and start with every token', () => {
    fc.assert(
      fc.property(layouts, fc.double({ min: 0.1, max: 1, noNaN: true }), fc.nat(99), (layout, rate, seed) => {
        const tokens = layout.prefix + layout.grid[0] * layout.grid[1];
        for (const kept of [uniformSchedule(rate, 5, layout, 0.5), randomSchedule(seed, rate, 5, layout)]) {
          expect(kept.mergeKept[0]).toBe(tokens);
          effectiveTokens(kept, tokens).forEach(({ tokensIn, pruneKept, mergeKept }, block) => {
            expect(tokensIn).toBeGreaterThanOrEqual(pruneKept);
            expect(mergeKept).toBe(kept.mergeKept[block]);
            expect(mergeKept).toBeGreaterThanOrEqual(smallestKept(layout));
          });
        }
      }),
    );
  });

  it('prune nothing where nothing may be pruned', () => {
    const layout: TokenLayout = { prefix: 2, grid: [3, 7] };
    const kept = randomSchedule(3, 0.5, 6, layout, true);
    effectiveTokens(kept, 23).forEach(({ tokensIn, pruneKept }) => expect(pruneKept).toBe(tokensIn));
    expect(kept.mergeKept).toEqual(randomSchedule(3, 0.5, 6, layout).mergeKept);
    expect(kept.mergeKept.at(-1)).toBeLessThan(23);
  });
});
