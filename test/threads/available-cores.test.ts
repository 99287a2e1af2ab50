/** The processor quota of containers, from texts as the kernel writes them. */
import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { availableCores, coresWithin, threadsAsked, threadsRemark } from '../../src/threads/available-cores.ts';

/** A file system of these files alone. */
const files = (texts: Readonly<Record<string, string>>) => (path: string) => {
  const text = texts[path];
  if (text === undefined) throw new Error(`no such file: ${path}`);
  return text;
};
const version2 = (text: string) => files({ '/sys/fs/cgroup/cpu.max': text });
const version1 = (quota: string, period: string) =>
  files({ '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': quota, '/sys/fs/cgroup/cpu/cpu.cfs_period_us': period });

describe('threadsRemark', () => {
  it('says that what is no number is ignored', () => {
    expect(threadsRemark('abc')).toMatch(/^OMP_NUM_THREADS is "abc", which is no number .*ignored/);
    expect(threadsRemark('0')).toBeDefined();
    for (const text of [undefined, '', '2', '4,2']) expect(threadsRemark(text)).toBeUndefined();
    expect(threadsAsked('4,2')).toBe(4);
  });
});

describe('coresWithin', () => {
  it.each<[string, number, (path: string) => string, number]>([
    ['no container', 16, files({}), 16],
    ['no quota', 16, version2('max 100000\n'), 16],
    ['two cores', 16, version2('200000 100000\n'), 2],
    ['another period', 16, version2('30000 10000\n'), 3],
    ['two cores and a half', 16, version2('250000 100000\n'), 2],
    ['half a core', 16, version2('50000 100000\n'), 1],
    ['a quota above the machine', 4, version2('800000 100000\n'), 4],
    ['version 1', 16, version1('400000\n', '100000\n'), 4],
    ['version 1 without a quota', 16, version1('-1\n', '100000\n'), 16],
    ['version 1 in part', 16, files({ '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '400000\n' }), 16],
    ['an empty file', 16, version2(''), 16],
    ['something else', 16, version2('a b\n'), 16],
    ['a period of 0', 16, version2('100000 0\n'), 16],
    ['no cores at all', 0, files({}), 1],
  ])('%s', (_, cores, read, expected) => {
    expect(coresWithin(cores, read)).toBe(expected);
  });
});

describe('availableCores', () => {
  it('is a whole number between 1 and what the operating system says', () => {
    expect(Number.isInteger(availableCores())).toBe(true);
    expect(availableCores()).toBeGreaterThanOrEqual(1);
    expect(availableCores()).toBeLessThanOrEqual(availableParallelism());
  });
});

describe('threadsAsked', () => {
  it.each([
    ['4', 4],
    ['1', 1],
    [undefined, Infinity],
    ['', Infinity],
    ['0', Infinity],
    ['-2', Infinity],
    ['1.5', Infinity],
    ['4,2', 4],
    ['all', Infinity],
  ])('%s is %s', (text, threads) => {
    expect(threadsAsked(text)).toBe(threads);
  });
});
