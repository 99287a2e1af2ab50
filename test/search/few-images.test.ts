/** Few images to search on are told of, also where that shows only once damaged ones are known. */
import { expect, it } from 'vitest';
import { memoryImages } from '../../src/data/memory-images.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { tellOfFewImages } from '../../src/search/plan.ts';
import { smallNetwork } from '../evaluation/small-network.ts';

const values = Array.from({ length: 33 }, (_, value) => value);
const source = memoryImages(values.map((value) => ({ data: new Uint8Array(12).fill(value), width: 2, height: 2 })));
const damaged = (count: number) => source.images.slice(0, count).map(({ file }) => ({ file, reason: 'damaged' }));

it('says it once, where few of them can be decoded', async () => {
  const warnings: string[] = [];
  const options = {
    model: smallNetwork(),
    images: source,
    runtime: nodeRuntime,
    onWarning: (text: string) => void warnings.push(text),
  };
  await tellOfFewImages(options);
  await tellOfFewImages(options, { skipped: damaged(1) });
  expect(warnings).toEqual([]);
  await tellOfFewImages(options, { skipped: damaged(3) });
  expect(warnings).toEqual([
    expect.stringMatching(/^There are only 30 images to search on \(3 more cannot be decoded\): /),
  ]);
  const few = { ...options, images: { ...source, images: source.images.slice(0, 20) } };
  await tellOfFewImages(few);
  await tellOfFewImages(few, { skipped: damaged(2) });
  expect(warnings.slice(1)).toEqual([expect.stringMatching(/^There are only 20 images/)]);
});
