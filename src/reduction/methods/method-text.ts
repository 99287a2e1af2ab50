/**
 * The text form of a method: `name`, or `name:key=value,key=value`; lists have `/` between their
 * numbers.
 */
import { UsageError, quoted } from '../../errors.ts';
import type { ParameterKey, ParameterValue, ReductionMethod } from './method.ts';

/** A method and the parameters that were given. */
export interface MethodText {
  readonly method: ReductionMethod;
  readonly given: ReadonlyMap<string, ParameterValue>;
}

/**
 * Reads the text form.
 * @throws {UsageError} one sentence, naming what is known
 */
export function parseMethodText(text: string, methods: readonly ReductionMethod[]): MethodText {
  const colon = text.indexOf(':');
  const name = (colon < 0 ? text : text.slice(0, colon)).trim();
  const method = methods.find((candidate) => candidate.name === name);
  if (method === undefined) {
    throw new UsageError(
      `There is no method ${quoted(name)}: use one of ${methods.map((one) => one.name).join(', ')}.`,
    );
  }
  const given = new Map<string, ParameterValue>();
  const parts = colon < 0 ? [] : text.slice(colon + 1).split(',');
  for (const part of parts) {
    const equals = part.indexOf('=');
    const keyName = (equals < 0 ? part : part.slice(0, equals)).trim();
    const key = method.keys.find((candidate) => candidate.name === keyName);
    if (key === undefined) {
      throw new UsageError(
        `The method ${name} has no parameter ${quoted(keyName)}: it has ${method.keys.map((one) => one.name).join(', ')}.`,
      );
    }
    if (equals < 0) throw new UsageError(`${name}:${keyName} needs a value: ${name}:${keyName}=…, ${expected(key)}.`);
    if (given.has(keyName)) throw new UsageError(`${name}:${keyName} is given twice; keep one of them.`);
    given.set(keyName, valueOf(name, key, part.slice(equals + 1).trim()));
  }
  return { method, given };
}

/** The text form, parameters in the method's order; `parseMethodText` reads it back unchanged. */
export function formatMethod({ method, given }: MethodText): string {
  const parts = method.keys.flatMap(({ name }) => {
    const value = given.get(name);
    if (value === undefined) return [];
    return [`${name}=${Array.isArray(value) ? value.join('/') : String(value)}`];
  });
  return parts.length === 0 ? method.name : `${method.name}:${parts.join(',')}`;
}

const decimal = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function valueOf(method: string, key: ParameterKey, text: string): ParameterValue {
  const wrong = (): UsageError =>
    new UsageError(`${method}:${key.name} must be ${expected(key)}, not ${quoted(text)}.`);
  const number = (part: string): number => {
    const value = Number(part);
    const fits = decimal.test(part) && value >= (key.min ?? 0) && value <= (key.max ?? Number.MAX_VALUE);
    if (!fits || (key.kind === 'integer' && !Number.isSafeInteger(value))) throw wrong();
    return value;
  };
  switch (key.kind) {
    case 'number':
    case 'integer':
      return number(text);
    case 'list':
      return text.split('/').map(number);
    case 'flag':
      if (text !== 'true' && text !== 'false') throw wrong();
      return text === 'true';
    case 'word':
      if (!(key.words ?? []).includes(text)) throw wrong();
      return text;
    case 'text':
      if (text === '') throw wrong();
      return text;
  }
}

/** What a value must be, in words. */
function expected({ kind, min = 0, max, words = [] }: ParameterKey): string {
  const range = max === undefined ? `from ${min}` : `from ${min} to ${max}`;
  switch (kind) {
    case 'number':
      return `a number ${range}`;
    case 'integer':
      return `a whole number ${range}`;
    case 'list':
      return `a number ${range}, or one for each with "/" between them`;
    case 'flag':
      return 'true or false';
    case 'word':
      return `one of ${words.join(', ')}`;
    case 'text':
      return 'a file or a name';
  }
}
