/**
 * Checks a command's arguments against its definition, because citty lets unknown options, missing values and surplus
 * arguments pass. What it returns has every value attached to its option (`--out=DIR`), so that citty cannot read it
 * differently.
 */
import type { ArgsDef } from 'citty';
import { UsageError } from '../errors.ts';
import { nearest } from './nearest.ts';

/** Values that may follow an option although they begin with a dash: negative numbers, and `-` itself. */
const valueWithDash = /^-($|[\d.])/;

/**
 * Checks and normalises.
 * @param command as the user types it, for sentences: `diffrate eval`
 * @throws UsageError for anything that the definition does not allow
 */
export function checkArguments(rawArguments: readonly string[], definition: ArgsDef, command: string): string[] {
  const help = `see ${command} --help`;
  const options: string[] = [];
  const positionals: string[] = [];
  const given = new Set<string>();
  for (let index = 0; index < rawArguments.length; index++) {
    const argument = rawArguments[index] ?? '';
    if (argument === '--') {
      positionals.push(...rawArguments.slice(index + 1));
      break;
    }
    if (!argument.startsWith('-') || argument === '-') {
      positionals.push(argument);
      continue;
    }
    const [name, attached] = splitOption(argument);
    if (isNegation(argument, definition)) {
      options.push(argument);
      continue;
    }
    const option = Object.hasOwn(definition, name) && argument.startsWith('--') ? definition[name] : undefined;
    if (option === undefined || option.type === 'positional') {
      throw new UsageError(
        `${command} has no option ${argument.split('=')[0]}: ${suggestion(name, definition)}${help}.`,
      );
    }
    if (given.has(name)) throw new UsageError(`--${name} is given twice: give it once.`);
    given.add(name);
    if (option.type === 'boolean') {
      if (attached !== undefined)
        throw new UsageError(`--${name} takes no value: write --${name} alone, or leave it out.`);
      options.push(`--${name}`);
      continue;
    }
    const next = rawArguments[index + 1];
    const value =
      attached ?? (next === undefined || (next.startsWith('-') && !valueWithDash.test(next)) ? undefined : next);
    if (value === undefined || value === '')
      throw new UsageError(`--${name} needs a value (${option.description ?? name}): ${help}.`);
    if (option.type === 'enum' && !(option.options ?? []).includes(value)) {
      throw new UsageError(`--${name} must be ${(option.options ?? []).join(' or ')}, not "${value}".`);
    }
    if (attached === undefined) index += 1;
    options.push(`--${name}=${value}`);
  }
  checkPositionals(positionals, definition, command);
  for (const [name, { required, type }] of Object.entries(definition)) {
    if (required === true && type !== 'positional' && !given.has(name))
      throw new UsageError(`${command} needs --${name}: ${help}.`);
  }
  return [...options, ...(positionals.length === 0 ? [] : ['--', ...positionals])];
}

/** `--no-NAME` of an option that is on by default. */
function isNegation(argument: string, definition: ArgsDef): boolean {
  const [, name] = /^--no-(.+)$/.exec(argument) ?? [];
  if (name === undefined || !Object.hasOwn(definition, name)) return false;
  const option = definition[name];
  return option?.type === 'boolean' && option.default === true;
}

function splitOption(argument: string): [string, string | undefined] {
  const text = argument.replace(/^--?/, '');
  const equals = text.indexOf('=');
  return equals < 0 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
}

function suggestion(name: string, definition: ArgsDef): string {
  const known = Object.entries(definition).flatMap(([option, { type }]) => (type === 'positional' ? [] : [option]));
  const near = nearest(name, known);
  return near === undefined ? '' : `did you mean --${near}? `;
}

/** A positional argument whose name ends like this takes all that follow as well. */
const anyNumber = '...';

function checkPositionals(positionals: readonly string[], definition: ArgsDef, command: string): void {
  const wanted = Object.entries(definition).filter(([, { type }]) => type === 'positional');
  const surplus = positionals[wanted.length];
  const takesMore = wanted.at(-1)?.[0].endsWith(anyNumber) ?? false;
  if (!takesMore && surplus !== undefined) {
    const takes = wanted.length === 0 ? 'no arguments' : `${wanted.map(([name]) => name.toUpperCase()).join(' ')} only`;
    throw new UsageError(`${command} takes ${takes}, so "${surplus}" is one too many: see ${command} --help.`);
  }
  const missing = wanted.slice(positionals.length).find(([, { required }]) => required !== false);
  if (missing !== undefined)
    throw new UsageError(`${command} needs ${missing[0].toUpperCase()}: see ${command} --help.`);
}
