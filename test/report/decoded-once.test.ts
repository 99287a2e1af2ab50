/** A whole compression, as `diffrate compress` does it, decodes every image once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DecodedImages } from '../../src/data/decoded-images.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import { evaluateVariants } from '../../src/evaluation/evaluate.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { drawPictures } from '../../src/report/picture-series.ts';
import { searchSchedule } from '../../src/search/search.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { smallNetwork } from '../evaluation/small-network.ts';

const images = 6;
let directory = '';
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-decoded-'));
  await writeRandomImages(directory, images);
});
afterAll(() => rmSync(directory, { recursive: true }));

it('search, evaluation and pictures share what is decoded', { timeout: 60_000 }, async () => {
  const model = smallNetwork();
  const folder = await openImageFolder(directory);
  const decoded = new DecodedImages();
  const { schedule } = await searchSchedule({
    model,
    images: folder,
    decoded,
    target: { ratio: 0.7 },
    preset: 'small-data',
    seed: 0,
    steps: 4,
    batchSize: 4,
    runtime: nodeRuntime,
  });
  expect(decoded.decodings).toBe(images);
  const results = await evaluateVariants(model, [{}, { schedule }], { images: folder, decoded });
  expect(results.map((result) => result.images)).toEqual([images, images]);
  const pictures = await drawPictures({
    network: model,
    reducer: diffRate(schedule, model.network),
    source: folder,
    images: folder.images,
    decoded,
    blocks: [1],
  });
  expect(pictures).toHaveLength(images);
  expect(decoded.decodings).toBe(images);
});
