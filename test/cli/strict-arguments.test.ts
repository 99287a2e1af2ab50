/** What the command line accepts, and the sentence for everything else. */
import type { ArgsDef } from 'citty';
import { describe, expect, it } from 'vitest';
import { nearest } from '../../src/options/nearest.ts';
import { integerOption, integersOption, positiveOption, wordsOption } from '../../src/cli/options.ts';
import { parseArguments } from '../../src/cli/strict-arguments.ts';
import { parseTarget } from '../../src/cli/target-options.ts';
import { UsageError } from '../../src/errors.ts';

const definition: ArgsDef = {
  model: { type: 'positional' },
  image: { type: 'positional', required: false },
  out: { type: 'string', description: 'where to' },
  data: { type: 'string', required: true },
  kind: { type: 'enum', options: ['one', 'two'] },
  json: { type: 'boolean' },
  report: { type: 'boolean', default: true },
  batch: { type: 'string', default: '16' },
};
const read = (...args: string[]): object => parseArguments(args, definition, 'diffrate try');

describe('parseArguments', () => {
  it('gives every argument its name, wherever it stands', () => {
    const defaults = { report: true, batch: '16' };
    const first = { model: 'm', out: 'x', data: 'y', json: true };
    expect(read('m', '--out', 'x', '--data=y', '--json')).toEqual({ ...defaults, ...first, _: ['m'] });
    const second = { model: 'm', image: 'i', data: '-5', kind: 'two', batch: '-' };
    const args = ['--data', '-5', '--kind', 'two', 'm', 'i', '--batch', '-'];
    expect(read(...args)).toEqual({ ...defaults, ...second, _: ['m', 'i'] });
    expect(read('--data', 'a=b', '--', '-odd')).toMatchObject({ model: '-odd', data: 'a=b' });
    expect(read('m', '--data', '-.5', '--no-report')).toMatchObject({ data: '-.5', report: false });
  });

  it('takes any number where the definition says so', () => {
    const many: ArgsDef = { ...definition, 'image...': { type: 'positional' } };
    const args = ['m', 'a', 'b', 'c', '--data', 'x'];
    expect(parseArguments(args, many, 'diffrate try')).toMatchObject({ model: 'm', _: ['m', 'a', 'b', 'c'] });
  });

  it.each([
    [['m', '--data=x', '--ouut=1'], /no option --ouut: did you mean --out\?/],
    [['m', '--data=x', '--model=1'], /no option --model/],
    [['m', '--data=x', '--no-json'], /no option --no-json/],
    [['m', '--data=x', '--toString'], /no option --toString/],
    [['m', '--data=x', '-json'], /no option -json/],
    [['m', '--data=x', '-j'], /no option -j/],
    [['m', '--data=x', '-5'], /no option -5/],
    [['m', '--data=x', '--no-report=yes'], /--no-report takes no value/],
    [['m', '--data=x', '--out'], /--out needs a value \(where to\)/],
    [['m', '--data=x', '--out', '--json'], /--out needs a value/],
    [['m', '--data=x', '--out='], /--out needs a value/],
    [['m', '--data=x', '--json=yes'], /--json takes no value/],
    [['m', '--data=x', '--data=y'], /--data is given twice/],
    [['m', '--data=x', '--kind=three'], /--kind must be one or two, not "three"/],
    [['m'], /needs --data/],
    [['--data=x'], /needs MODEL/],
    [['m', 'i', 'more', '--data=x'], /"more" is one too many/],
  ])('refuses %j', (args, sentence) => {
    expect(() => read(...args)).toThrow(UsageError);
    expect(() => read(...args)).toThrow(sentence);
  });
});

describe('values', () => {
  it('are whole numbers, positive numbers and lists', () => {
    expect(integerOption('n', '12')).toBe(12);
    expect(integerOption('n', undefined)).toBeUndefined();
    expect(positiveOption('n', '2.9')).toBe(2.9);
    expect(positiveOption('n', '1e-3')).toBe(0.001);
    expect(integersOption('n', '1,16')).toEqual([1, 16]);
    expect(wordsOption('n', 'b,a', ['a', 'b'])).toEqual(['b', 'a']);
  });

  it.each(['0', '-1', '1.5', 'x', '', '1e3', '99999999999999999999'])('a whole number is not %j', (text) => {
    expect(() => integerOption('n', text)).toThrow(UsageError);
    expect(() => integersOption('n', `1,${text}`)).toThrow(UsageError);
  });

  it.each(['0', '-1', 'x', '', 'Infinity', '1.2.3', '0x10', 'NaN'])('a positive number is not %j', (text) => {
    expect(() => positiveOption('n', text)).toThrow(UsageError);
  });

  it('of a list must be known', () => {
    expect(() => wordsOption('dtype', 'fp32,fp8', ['fp32', 'fp16'])).toThrow(/fp32, fp16/);
    expect(() => wordsOption('dtype', '', ['fp32'])).toThrow(UsageError);
  });
});

describe('parseTarget', () => {
  it('takes one target, or the fallback', () => {
    expect(parseTarget({ ratio: '0.5' })).toEqual({ ratio: 0.5 });
    expect(parseTarget({ gflops: '2.9' })).toEqual({ value: 2.9, unit: 'GFLOPs' });
    expect(parseTarget({}, 0.65)).toEqual({ ratio: 0.65 });
  });

  it.each([
    [{}, /target is missing/],
    [{ ratio: '0.5', gflops: '2' }, /--ratio and --gflops exclude each other/],
    [{ latency: '12ms' }, /latency are not there yet/],
    [{ ratio: '1' }, /below 1/],
    [{ ratio: '65%' }, /above 0/],
  ])('refuses %j', (given, sentence) => {
    expect(() => parseTarget(given)).toThrow(sentence);
    expect(() => parseTarget(given)).toThrow(UsageError);
  });
});

describe('nearest', () => {
  it('finds the word that was meant, and none where nothing is near', () => {
    expect(nearest('serch', ['search', 'bench'])).toBe('search');
    expect(nearest('schedul', ['schedule', 'strict'])).toBe('schedule');
    expect(nearest('zzzzzz', ['search', 'bench'])).toBeUndefined();
  });
});
