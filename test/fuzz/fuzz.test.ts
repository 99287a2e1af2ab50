/** Damaged files end in one sentence; `npm run fuzz` goes on where this ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RandomGenerator } from '../../src/data/random.ts';
import { damagedInput } from './damaged-input.ts';
import { fuzz } from './fuzz.ts';
import { mutateJson } from './json-mutations.ts';
import { isSentence } from './sentence.ts';
import { fuzzTargets } from './targets/index.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'diffrate-fuzz-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('damage', () => {
  it('follows from target, seed and number alone', async () => {
    for (const target of fuzzTargets.slice(0, 2)) {
      const sound = await target.seeds();
      expect(damagedInput(target, sound, 3, 17)).toEqual(damagedInput(target, sound, 3, 17));
      expect(damagedInput(target, sound, 4, 17)).not.toEqual(damagedInput(target, sound, 3, 17));
    }
  });

  it('of JSON members mostly leaves JSON', () => {
    const text = '{"a":[1,{"b":"c"}],"d":null}';
    const isJson = (changed: string): boolean => {
      try {
        return JSON.parse(changed) !== undefined;
      } catch {
        return false;
      }
    };
    const changed = Array.from({ length: 200 }, (_, seed) => mutateJson(text, new RandomGenerator(seed)));
    expect(changed.filter(isJson).length).toBeGreaterThan(180);
    expect(new Set(changed).size).toBeGreaterThan(100);
  });
});

describe('a sentence', () => {
  it('is one line without control characters', () => {
    expect(isSentence('The file is empty: give another.')).toBe(true);
    for (const text of ['', 'a\nb', '\x1b[31mred', 'x'.repeat(2000)]) expect(isSentence(text)).toBe(false);
  });
});

describe('every reader', () => {
  it('reads damaged files, or says in one sentence why not', { timeout: 300_000 }, async () => {
    const results = await fuzz({ runs: 20_000, seed: 20, processes: 1, findings: folder });
    expect(results.flatMap(({ findings }) => findings)).toEqual([]);
    // Damage that no reader survives would test nothing but the first check.
    for (const { target, read } of results) expect([target, read > 0]).toEqual([target, true]);
  });
});
