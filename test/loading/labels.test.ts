/** Class names of every form that files have. */
import { describe, expect, it } from 'vitest';
import { fitLabels, labelsFromIdentifiers, labelsFromNames } from '../../src/loading/labels.ts';

describe('id2label', () => {
  it('may hold numbers and null, or be a list', () => {
    expect(labelsFromIdentifiers({ 0: 0, 1: 7, 2: 'cat' })).toEqual({ 0: '0', 1: '7', 2: 'cat' });
    expect(labelsFromIdentifiers({ 0: 'ant', 1: null })).toEqual({ 0: 'ant' });
    expect(labelsFromIdentifiers(['ant', 'bee'])).toEqual({ 0: 'ant', 1: 'bee' });
  });

  it('is none where it only numbers classes, or is something else', () => {
    for (const none of [undefined, null, 'ant', { 0: 'LABEL_0', 1: 'LABEL_1' }, {}, []])
      expect(labelsFromIdentifiers(none)).toBeUndefined();
  });
});

describe('label_names of timm', () => {
  it('take their descriptions', () => {
    expect(labelsFromNames(['n01', 'n02', 3], { n01: 'ant', n02: null })).toEqual({ 0: 'ant', 1: 'n02', 2: '3' });
  });
});

describe('fitLabels', () => {
  it('names every class, also two by one name', () => {
    const labels = { 0: 'crane', 1: 'bee', 2: 'crane' };
    expect(fitLabels(labels, 3, 'config.json')).toEqual({ labels, warnings: [] });
  });

  it('says which class a gap leaves without a name, and which name has no class', () => {
    const { labels, warnings } = fitLabels({ 0: 'a', 1: 'b', 5: 'c' }, 3, 'config.json');
    expect(labels).toEqual({ 0: 'a', 1: 'b', 2: 'LABEL_2' });
    expect(warnings).toEqual([
      'config.json has no name for class 2: it is called LABEL_2; there is no class 5 ("c"), so that name was left out.',
    ]);
    const some = fitLabels({ 0: 'a', 2: 'c', 4: 'e', 5: 'f' }, 6, 'config.json');
    expect(some.labels).toMatchObject({ 1: 'LABEL_1', 3: 'LABEL_3' });
    expect(some.warnings[0]).toMatch(/no name for classes 1, 3: they are called LABEL_1 and so on\.$/);
  });

  it('leaves out the names of another network', () => {
    for (const labels of [['a'], ['a', 'b', 'c', 'd']].map((names) => ({ ...names }))) {
      const fitted = fitLabels(labels, 3, 'config.json');
      expect(fitted.labels).toBeUndefined();
      expect(fitted.warnings[0]).toMatch(/names \d class(es)? where the network has 3; the names were left out/);
    }
    expect(fitLabels({ 0: 'a' }, 0, 'config.json')).toEqual({ labels: undefined, warnings: [] });
  });
});
