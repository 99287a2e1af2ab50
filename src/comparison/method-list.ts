/**
 * A list of methods as text, `evit,tome:proportional=false,ppt`:
 * without the parameter that a comparison sets.
 */
import { UsageError } from '../errors.ts';
import { formatMethod } from '../reduction/methods/method-text.ts';
import type { MethodText } from '../reduction/methods/method-text.ts';
import { parseMethod, reductionMethods } from '../reduction/methods/registry.ts';

/**
 * Reads a list.
 * Commas stand between methods and between parameters:
 * what has an `=` and no method before it belongs to the method before.
 * @throws {UsageError} where a method or a parameter is not known, is there twice, is trained, or
 *   is what the comparison sets itself
 */
export function parseMethodList(text: string): MethodText[] {
  const texts: string[] = [];
  for (const part of text.split(',').map((one) => one.trim())) {
    const last = texts.at(-1);
    const continues = last !== undefined && part.includes('=') && !part.includes(':');
    if (continues) texts[texts.length - 1] = `${last}${last.includes(':') ? ',' : ':'}${part}`;
    else texts.push(part);
  }
  const methods = texts.map((one) => comparable(parseMethod(one)));
  const names = methods.map(formatMethod);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new UsageError(`\`methods\` names ${twice} twice: leave one of them away.`);
  return methods;
}

/** Every method that needs no training, with its defaults, DiffRate first. */
export function allMethods(): MethodText[] {
  return reductionMethods.filter(({ trained }) => trained !== true).map((method) => ({ method, given: new Map() }));
}

function comparable(text: MethodText): MethodText {
  const { method, given } = text;
  if (method.trained === true) {
    throw new UsageError(
      `\`methods\` must not name ${method.name}, which is trained for one budget: evaluate a network that was trained for it with \`evaluateModel\`.`,
    );
  }
  const key = method.knob?.key ?? 'schedule';
  if (!given.has(key)) return text;
  const instead =
    method.knob === undefined
      ? 'schedules come from `listedSchedules` or `searchedSchedules`'
      : 'the comparison finds it for each budget';
  throw new UsageError(`\`methods\` must not give ${method.name}:${key}: ${instead}.`);
}
