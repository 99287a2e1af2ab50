/** Quotations in sentences. */
import { describe, expect, it } from 'vitest';
import { quoted, shortened } from '../src/errors.ts';

describe('quoted', () => {
  it('puts text into quotation marks and leaves other values as they are', () => {
    expect([quoted('gelu'), quoted(1.5), quoted(null), quoted(true), quoted([1, 'a'])]).toEqual([
      '"gelu"',
      '1.5',
      'null',
      'true',
      '[1,"a"]',
    ]);
  });

  it('is at most 80 characters between the marks', () => {
    expect(quoted('x'.repeat(80))).toBe(`"${'x'.repeat(80)}"`);
    expect(quoted('x'.repeat(1_000_000))).toBe(`"${'x'.repeat(79)}…"`);
    expect(quoted(Array.from({ length: 1000 }, (_, index) => index))).toHaveLength(80);
    expect(shortened('\u0000'.repeat(100)).length).toBeLessThanOrEqual(80);
    expect(shortened('\u0000'.repeat(100))).toMatch(/^(?:\\u0000)+…$/);
  });

  it('shows controls as escapes, also those that turn text round', () => {
    expect(quoted('a\nb\u001b[31m\u202ec')).toBe(String.raw`"a\nb\u001b[31m\u202ec"`);
    expect(quoted('Käfer 🐞 猫')).toBe('"Käfer 🐞 猫"');
  });
});
