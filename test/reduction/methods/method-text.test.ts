/**
 * The text form of methods: it is read back unchanged, and whatever is wrong is one sentence that
 * names what is known.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/errors.ts';
import { formatMethod } from '../../../src/reduction/methods/method-text.ts';
import type { ParameterKey, ParameterValue } from '../../../src/reduction/methods/method.ts';
import { parseMethod, reductionMethods } from '../../../src/reduction/methods/registry.ts';

/** Any value that a key allows. */
function valueOf({ kind, min = 0, max = 1000, words = [] }: ParameterKey): fc.Arbitrary<ParameterValue> {
  const number = fc.double({ min, max, noNaN: true }).filter((value) => value === 0 || value > 1e-300);
  switch (kind) {
    case 'number':
      return number;
    case 'integer':
      return fc.integer({ min: Math.ceil(min), max });
    case 'list':
      return fc.array(number, { minLength: 1, maxLength: 5 });
    case 'flag':
      return fc.boolean();
    case 'word':
      return fc.constantFrom(...words);
    case 'text':
      return fc.stringMatching(/^[a-z0-9@./_=-]{1,20}$/);
  }
}

describe('parseMethod', () => {
  it('reads what formatMethod writes', () => {
    const texts = fc.constantFrom(...reductionMethods).chain((method) =>
      fc.subarray([...method.keys]).chain((keys) =>
        fc.tuple(...keys.map((key) => valueOf(key).map((value) => [key.name, value] as const))).map((entries) => ({
          method,
          given: new Map(entries),
        })),
      ),
    );
    fc.assert(
      fc.property(texts, (written) => {
        const read = parseMethod(formatMethod(written));
        expect(read.method).toBe(written.method);
        expect(new Map(read.given)).toEqual(written.given);
      }),
      { numRuns: 500 },
    );
  });

  it('answers any other text with one sentence', () => {
    const names = reductionMethods.map(({ name }) => name);
    const text = fc.oneof(
      fc.string(),
      fc.tuple(fc.constantFrom(...names), fc.string()).map(([name, rest]) => `${name}:${rest}`),
    );
    fc.assert(
      fc.property(text, (any) => {
        try {
          parseMethod(any);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
          expect((error as Error).message).toMatch(/[.]$/);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['toem:r=13', /no method "toem".*evit, tome, ppt/],
    ['', /no method ""/],
    ['tome:q=13', /tome has no parameter "q": it has r, proportional/],
    ['tome:', /no parameter ""/],
    ['tome:r', /tome:r needs a value/],
    ['tome:r=', /tome:r must be a number from 0.* not ""/],
    ['tome:r=-1', /tome:r must be/],
    ['tome:r=8/x', /not "8\/x"/],
    ['tome:r=8,r=9', /given twice/],
    ['tome:proportional=yes', /must be true or false, not "yes"/],
    ['evit:rate=1.5', /a number from 0.01 to 1, not "1.5"/],
    ['ppt:r=1.5', /a whole number from 0, not "1.5"/],
    ['gtp:graph=round', /one of mixed, spatial, semantic, not "round"/],
    ['pitome:ratio=0x1', /not "0x1"/],
    ['ats:tokens=2', /a whole number from 3, not "2"/],
  ])('says of %j what is wrong', (text, sentence) => {
    expect(() => parseMethod(text)).toThrow(sentence);
  });
});
