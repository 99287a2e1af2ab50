/** Options of the scripts of `bench/paper`, and the command that a result is printed with. */
import { describe, expect, it } from 'vitest';
import { readOptions, searchOptions, typedCommand } from '../../../bench/paper/paper-options.ts';
import { paperBudgets, publishedAccuracies, unknownRows } from '../../../bench/paper/paper-figures.ts';
import { UsageError } from '../../../src/errors.ts';
import { countFlops } from '../../../src/cost/flops.ts';
import { lookUpModel } from '../../../src/networks/registry.ts';
import { findPublishedSchedule } from '../../../src/reduction/published-schedules.ts';

describe('options', () => {
  it('have defaults, in either way of writing, and flags', () => {
    const given = readOptions('table-4c', ['--images', '8', '--data=x', '--resume', '--counts', '2,4'], {
      ...searchOptions,
      counts: { type: 'string' },
    });
    expect(given).toMatchObject({
      model: 'deit_tiny_patch16_224',
      images: '8',
      data: 'x',
      resume: true,
      counts: '2,4',
      seed: '0',
      results: 'docs/results.md',
    });
    expect(given['weights']).toBeUndefined();
  });

  it.each([
    [['--nope'], /npm run paper -- table-4a has no option --nope/],
    [['--images'], /--images needs a value/],
    [['--resume'], /has no option --resume/],
    [['x'], /"x" is one too many/],
    [['--seed', '1', '--seed', '2'], /given twice/],
  ])('refuse %j', (words, sentence) => {
    const read = (): unknown => readOptions('table-4a', words, {});
    expect(read).toThrow(UsageError);
    expect(read).toThrow(sentence);
  });
});

describe('the command that a result names', () => {
  it('names no path, and not where its files went', () => {
    const words =
      '--model facebook/deit-small --weights /home/someone/weights/deit.safetensors --eval-data=../data/imagenet/val --resume --images 64 --results out/x.md --search-out /tmp/s --search';
    expect(typedCommand('figure-4', words.split(' '))).toBe(
      'npm run paper -- figure-4 --model facebook/deit-small --weights deit.safetensors --eval-data val --images 64 --search',
    );
    expect(typedCommand('table-4a', [])).toBe('npm run paper -- table-4a');
  });
});

describe('the paper’s figures', () => {
  it('are of schedules that cost what they say', () => {
    for (const { model, budget, gflops } of publishedAccuracies) {
      const network = lookUpModel(model)?.network;
      if (network === undefined) throw new TypeError(`${model} is no network of the registry`);
      const schedule = findPublishedSchedule(`${model}@${budget}`);
      expect(countFlops(network, schedule).total / 1e9).toBeCloseTo(gflops.after, 0);
    }
  });

  it('name a published schedule for every budget', () => {
    for (const [model, budget] of Object.entries(paperBudgets))
      expect(findPublishedSchedule(`${model}@${budget}`).model).toBe(model);
  });

  it('say what is not known', () => {
    expect(unknownRows('Table 4a').join()).toMatch(/The rows of Table 4a .* none is guessed.*79\.58 %/);
  });
});
