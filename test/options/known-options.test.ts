/** Options that a function does not have are refused by name, by each function that checks them. */
import { describe, expect, it } from 'vitest';
import { compress } from '../../src/compress/compress.ts';
import { searchFront, searchSchedule } from '../../src/compress/search.ts';
import { openImages } from '../../src/data/open-images.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import { loadModel } from '../../src/loading/load-model.ts';
import { memoryImages } from '../../src/data/memory-images.ts';
import { UsageError } from '../../src/errors.ts';
import { evaluateModel } from '../../src/evaluation/evaluate.ts';
import { exportModel } from '../../src/exporting/export-model.ts';
import { requireKnownOptions } from '../../src/options/known-options.ts';
import { randomModel } from '../random-network.ts';

const model = randomModel();
const images = memoryImages([{ data: new Uint8Array(48), width: 4, height: 4 }]);
const target = { ratio: 0.7 };

describe('requireKnownOptions', () => {
  it('names the option, and the one that was meant or all of them', () => {
    const names = { steps: true, seed: true } as const;
    expect(() => requireKnownOptions({ steps: 1 } as object as { steps: 1; seed: 2 }, names, 'search')).not.toThrow();
    const misspelt = { stepss: 1 } as object as { steps: 1; seed: 2 };
    expect(() => requireKnownOptions(misspelt, names, 'search')).toThrow(
      new UsageError('The search has no option "stepss": did you mean steps?'),
    );
    const foreign = { maximumTemperature: 1 } as object as { steps: 1; seed: 2 };
    expect(() => requireKnownOptions(foreign, names, 'search')).toThrow(
      'The search has no option "maximumTemperature": it has steps, seed.',
    );
  });

  it.each([
    [
      'searchSchedule',
      () => searchSchedule({ model, images, target, stepz: 3 } as never),
      'search has no option "stepz"',
    ],
    [
      'searchFront',
      () => searchFront({ model, images, front: { from: 0.9, to: 0.7, points: 2 }, target } as never),
      '"target"',
    ],
    ['compress', () => compress({ model, images, directory: 'x', tagret: target } as never), 'did you mean target?'],
    ['evaluateModel', () => evaluateModel(model, { images, shedule: {} } as never), 'did you mean schedule?'],
    ['exportModel', () => exportModel({ model, directory: 'x', dtype: ['q8'] } as never), 'did you mean dtypes?'],
    ['loadModel', () => loadModel('vit_demo_patch2_28', { weight: 'x' } as never), 'did you mean weights?'],
    [
      'openImages',
      () => openImages(['a.jpg'], { ignoreorientation: true } as never),
      'did you mean ignoreOrientation?',
    ],
    ['openImages of a source', () => openImages(images, { limt: 3 } as never), 'did you mean limit?'],
    ['openImageFolder', () => openImageFolder('.', { lables: 'none' } as never), 'did you mean labels?'],
  ])('is asked by %s', async (_, call, sentence) => {
    await expect(call()).rejects.toThrow(UsageError);
    await expect(call()).rejects.toThrow(sentence);
  });
});

describe('values that no option has', () => {
  it.each([
    ['a model that is no text', () => loadModel(3 as never), 'not 3'],
    ['no model', () => (loadModel as () => Promise<unknown>)(), 'not undefined'],
    ['an orientation', () => openImages(['a.jpg'], { ignoreOrientation: 'yes' } as never), 'not "yes"'],
    ['labels of a source', () => openImages(images, { labels: 'folders' }), 'auto or none'],
    ['a limit of a source', () => openImages(images, { limit: 0 }), 'limit'],
    ['a batch', () => evaluateModel(model, { images, batchSize: -4 }), 'batch size'],
  ])('are refused: %s', async (_, call, sentence) => {
    await expect(call()).rejects.toThrow(UsageError);
    await expect(call()).rejects.toThrow(sentence);
  });
});

it('a source that is open gives fewer images, and none of its labels, where that is asked', async () => {
  const image = { data: new Uint8Array(48), width: 4, height: 4, label: 1 };
  const source = memoryImages([image, image, image, image]);
  expect(await openImages(source, {})).toBe(source);
  const some = await openImages(source, { limit: 3, labels: 'none' });
  expect(some.images.map(({ label }) => label)).toEqual([undefined, undefined, undefined]);
  expect(some.labelled).toBe(false);
  expect((await openImages(source, { limit: 2 })).images.map(({ label }) => label)).toEqual([1, 1]);
});
