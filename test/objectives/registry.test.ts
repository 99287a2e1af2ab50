/** Which objective a network gets, and what is said where a named one does not fit. */
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import type { Answers } from '../../src/objectives/objective.ts';
import { objectiveFor } from '../../src/objectives/registry.ts';
import type { ObjectiveName } from '../../src/objectives/registry.ts';

const answers = (kind: Answers['kind'], size: number): Answers => ({ kind, size });

describe('objectiveFor', () => {
  it.each<[Answers, ObjectiveName]>([
    [answers('classes', 1000), 'classDivergence'],
    [answers('classes', 2), 'classDivergence'],
    [answers('classes', 1), 'regressionError'],
    [answers('labels', 14), 'multiLabelDivergence'],
    [answers('labels', 1), 'multiLabelDivergence'],
    [answers('values', 1), 'regressionError'],
    [answers('values', 3), 'regressionError'],
    [answers('features', 384), 'featureDistance'],
    [answers('features', 1), 'regressionError'],
  ])('compares %o by %s', (given, name) => {
    const objective = objectiveFor(given);
    expect(objective).toMatchObject({ name, targetSize: given.size });
    expect(objectiveFor(given, { name }).name).toBe(name);
    expect(objectiveFor(given, { name: undefined }).name).toBe(name);
  });

  it('takes another that fits', () => {
    expect(objectiveFor(answers('features', 384), { name: 'regressionError' }).name).toBe('regressionError');
  });

  it.each<[Answers, ObjectiveName | undefined, string]>([
    [
      answers('classes', 10),
      'featureDistance',
      'The network gives scores of 10 classes, which featureDistance cannot compare: choose classDivergence.',
    ],
    [
      answers('classes', 1),
      'classDivergence',
      'The network gives scores of 1 class, which classDivergence cannot compare: choose regressionError.',
    ],
    [
      answers('labels', 5),
      'classDivergence',
      'The network gives scores of 5 labels, which classDivergence cannot compare: choose multiLabelDivergence.',
    ],
    [
      answers('values', 1),
      'featureDistance',
      'The network gives 1 number, which featureDistance cannot compare: choose regressionError.',
    ],
    [
      answers('features', 384),
      'multiLabelDivergence',
      'The network gives features of 384 numbers, which multiLabelDivergence cannot compare: choose featureDistance or regressionError.',
    ],
    [answers('classes', 0), undefined, 'The network gives scores of 0 classes: no objective fits that.'],
  ])('refuses %o by %s in one sentence', (given, name, sentence) => {
    const choose = (): unknown => objectiveFor(given, name === undefined ? {} : { name });
    expect(choose).toThrow(DiffrateError);
    expect(choose).toThrow(sentence);
  });
});
