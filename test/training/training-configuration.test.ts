/** Configuration files: what they say, and one sentence for each thing that is wrong. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { parseTrainingConfiguration, readTrainingConfiguration } from '../../src/training/training-configuration.ts';
import { recipes } from '../../src/training/recipe.ts';
import { square } from '../../src/data/preprocessing.ts';

const model = { name: 'vit', imageSize: 28, patchSize: 2, width: 96, depth: 8, heads: 3, classes: 10 };
const parse = (value: unknown) => parseTrainingConfiguration(JSON.stringify(value), 'config.json');

describe('a training configuration', () => {
  it('has defaults, and a recipe that changes a preset’s members', () => {
    const { name, network, preprocessing, recipe, labels } = parse({
      model,
      recipe: { preset: 'scratch', epochs: 20, augmentation: { cropPadding: 2 } },
    });
    expect(name).toBe('vit');
    expect(labels).toBeUndefined();
    expect(network).toMatchObject({
      input: { channels: 3, height: 28, width: 28 },
      features: { width: 96, heads: 3, hiddenWidth: 384 },
      reads: 'prefix',
      answers: { kind: 'classes', size: 10 },
    });
    expect(preprocessing).toMatchObject({ resize: square(28), crop: square(28) });
    expect(recipe).toEqual({ ...recipes.scratch, epochs: 20, augmentation: { cropPadding: 2 } });
  });

  it.each([
    [{ model: { ...model, width: 0 } }, /"model\.width"/],
    [{ model: { ...model, wdith: 96 } }, /"model\.wdith"/],
    [{ model: { ...model, heads: 5 } }, /"width" 96 is not divisible by "heads" 5/],
    [{ model: { ...model, patchSize: 3 } }, /"imageSize" 28 is not a multiple of "patchSize" 3/],
    [{ model: { ...model, labels: ['a'] } }, /"labels" names 1 classes and "classes" is 10/],
    [{ model: { ...model, resizeShortSide: 20 } }, /"resizeShortSide" 20 is smaller/],
    [{ model, recipe: { dropPath: 1 } }, /"recipe\.dropPath"/],
    [{ model, recipe: { preset: 'best' } }, /"recipe\.preset"/],
    [{ recipe: {} }, /"model"/],
  ])('%j is answered with one sentence', (value, sentence) => {
    expect(() => parse(value)).toThrow(sentence);
    expect(() => parse(value)).toThrow(DiffrateError);
  });

  it('is never accepted by accident', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(() => parseTrainingConfiguration(text, 'config.json')).toThrow(DiffrateError);
      }),
    );
  });

  it('must be there, and JSON', async () => {
    expect(() => parseTrainingConfiguration('{', 'config.json')).toThrow(/config\.json is not valid JSON/);
    await expect(readTrainingConfiguration('absent.json')).rejects.toThrow(/absent\.json cannot be read/);
  });
});
