/**
 * Parameters for a budget: the largest FLOPs within it, whatever the method, and lists of methods
 * as text.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, asyncProperty, double } from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MethodFit } from '../../src/comparison/fit-method.ts';
import { MethodCost } from '../../src/comparison/method-cost.ts';
import { parseMethodList } from '../../src/comparison/method-list.ts';
import { baselineFlops } from '../../src/cost/flops.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { UsageError } from '../../src/errors.ts';
import type { Network } from '../../src/networks/network.ts';
import { findModel } from '../../src/networks/registry.ts';
import { formatMethod } from '../../src/reduction/methods/method-text.ts';
import { parseMethod, reductionMethods } from '../../src/reduction/methods/registry.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { narrowSizes, smallModel } from '../small-networks.ts';

const tiny = findModel('deit_tiny_patch16_224').declared?.network as Network;
/** Static counts need neither weights nor images. */
const countedModel = { ...smallModel(narrowSizes), network: tiny };
const options = { runtime: nodeRuntime };

let directory = '';
let folder: ImageSource;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-fit-'));
  await writeRandomImages(directory, 5);
  folder = await openImageFolder(directory);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const counted = reductionMethods.filter(({ knob, ragged }) => knob !== undefined && ragged !== true);

describe('MethodFit', () => {
  it.each(counted.map((method) => [method.name, method] as const))(
    'finds the parameter of %s by its tokens per block',
    async (_, method) => {
      if (method.knob === undefined) throw new RangeError('only methods with a parameter for the cost');
      const fit = new MethodFit(
        { method, given: new Map() },
        method.knob,
        tiny,
        new MethodCost(countedModel, folder, options),
      );
      await assert(
        asyncProperty(double({ min: 0.3, max: 0.97, noNaN: true }), async (share) => {
          const budget = (share * baselineFlops(tiny).total) / 1e9;
          const found = await fit.fit(budget);
          if ('leastGflops' in found) {
            expect(found.leastGflops).toBeGreaterThan(budget);
            return;
          }
          expect(found.gflops).toBeLessThanOrEqual(budget);
          // A whole parameter of a few blocks makes steps of some percent, the others of few
          // tokens.
          expect(found.gflops).toBeGreaterThan(budget * (method.knob?.whole === true ? 0.97 : 0.98));
          // The name says it all: read back, it is the same method at the same cost.
          const again = parseMethod(found.method.name);
          expect(formatMethod(again)).toBe(found.method.name);
        }),
        { numRuns: 8 },
      );
    },
  );

  it('finds the parameter of a ragged method by runs on a sample of images', async () => {
    const model = smallModel(narrowSizes);
    const ats = reductionMethods.find(({ name }) => name === 'ats');
    if (ats?.knob === undefined) throw new RangeError('ATS has a parameter for the cost');
    const cost = new MethodCost(model, folder, options);
    const fit = new MethodFit({ method: ats, given: new Map() }, ats.knob, model.network, cost);
    const plain = baselineFlops(model.network).total / 1e9;
    const [large, small] = [await fit.fit(0.9 * plain), await fit.fit(0.6 * plain)];
    if ('leastGflops' in large || 'leastGflops' in small) throw new RangeError('both are within reach');
    expect(large.gflops).toBeLessThanOrEqual(0.9 * plain);
    expect(small.gflops).toBeLessThanOrEqual(0.6 * plain);
    expect(small.gflops).toBeLessThan(large.gflops);
    expect(await fit.fit(0.01 * plain)).toHaveProperty('leastGflops');
  });
});

describe('parseMethodList', () => {
  it('has commas between methods and between parameters', () => {
    const names = (text: string): string[] => parseMethodList(text).map(formatMethod);
    expect(names('evit, tome:proportional=false,ppt')).toEqual(['evit', 'tome:proportional=false', 'ppt']);
    expect(names('diffrate:metric=random,order=prune-only,tome')).toEqual([
      'diffrate:metric=random,order=prune-only',
      'tome',
    ]);
    expect(names('diffrate,tome,proportional=false')).toEqual(['diffrate', 'tome:proportional=false']);
  });

  it.each([
    ['', /There is no method ""/],
    ['tome,', /There is no method ""/],
    ['r=3', /There is no method "r=3"/],
    ['uniform:rate=0.5', /must not give uniform:rate/],
    ['diffrate:schedule=x.json', /schedules come from `listedSchedules` or `searchedSchedules`/],
    ['evit,evit', /names evit twice/],
  ])('refuses "%s"', (text, sentence) => {
    expect(() => parseMethodList(text)).toThrow(sentence);
    expect(() => parseMethodList(text)).toThrow(UsageError);
  });
});
