/**
 * Reads a command's arguments by `parseArgs` of `node:util`, and refuses in one sentence what the
 * command's definition does not allow. citty's own reading lets unknown options, missing values and
 * surplus arguments pass, so citty only prints the help.
 */
import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';
import type { ArgDef, ArgsDef, ParsedArgs } from 'citty';
import { UsageError, quoted } from '../errors.ts';
import { nearest } from '../options/nearest.ts';

/**
 * Values that may follow an option although they begin with a dash: negative numbers, and `-`
 * itself. They are why `parseArgs` is not told to be strict.
 */
const valueWithDash = /^-($|[\d.])/;

/** A positional argument whose name ends like this takes all that follow as well. */
const anyNumber = '...';

/**
 * The values of a command's arguments, defaults included, under the names of its definition.
 * @param command as the user types it, for sentences: `diffrate eval`
 * @throws UsageError for anything that the definition does not allow
 */
export function parseArguments(rawArguments: readonly string[], definition: ArgsDef, command: string): ParsedArgs {
  const help = `see ${command} --help`;
  const named = Object.entries(definition).filter(([, { type }]) => type !== 'positional');
  const options = Object.fromEntries(named.flatMap(([name, argument]) => parseOptions(name, argument)));
  const { values, positionals, tokens } = parseArgs({
    args: [...rawArguments],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const given = new Set<string>();
  for (const { name, index, value, inlineValue } of tokens.filter((token) => token.kind === 'option')) {
    const written = rawArguments[index] ?? '';
    if (!Object.hasOwn(options, name) || !written.startsWith('--')) {
      const near = nearest(name, Object.keys(options));
      const suggestion = near === undefined ? '' : `did you mean --${near}? `;
      throw new UsageError(`${command} has no option ${written.split('=')[0]}: ${suggestion}${help}.`);
    }
    if (given.has(name)) throw new UsageError(`--${name} is given twice: give it once.`);
    given.add(name);
    const argument = definition[name];
    const takesNone = options[name]?.type === 'boolean';
    if (takesNone && value !== undefined)
      throw new UsageError(`--${name} takes no value: write --${name} alone, or leave it out.`);
    const isNextOption = inlineValue === false && value.startsWith('-') && !valueWithDash.test(value);
    if (!takesNone && (!value || isNextOption))
      throw new UsageError(`--${name} needs a value (${argument?.description ?? name}): ${help}.`);
    if (argument?.type === 'enum' && argument.options?.includes(value ?? '') !== true)
      throw new UsageError(`--${name} must be ${argument.options?.join(' or ')}, not ${quoted(value)}.`);
  }
  for (const [name, { required }] of named) {
    if (required === true && !given.has(name)) throw new UsageError(`${command} needs --${name}: ${help}.`);
    if (given.has(`no-${name}`)) values[name] = false;
  }
  return { ...values, ...namePositionals(positionals, definition, command), _: positionals } as ParsedArgs;
}

/** An option as `parseArgs` wants it; what is on by default can be switched off (`--no-NAME`). */
function parseOptions(name: string, argument: ArgDef): [string, NonNullable<ParseArgsConfig['options']>[string]][] {
  const type = argument.type === 'boolean' ? 'boolean' : 'string';
  const value = argument.default as string | boolean | undefined;
  return [
    [name, { type, ...(value !== undefined && { default: value }) }],
    ...(value === true ? [[`no-${name}`, { type }] as [string, { type: 'boolean' }]] : []),
  ];
}

/** The positional arguments under their names: none too few, none too many. */
function namePositionals(positionals: readonly string[], definition: ArgsDef, command: string): Record<string, string> {
  const wanted = Object.entries(definition).filter(([, { type }]) => type === 'positional');
  const names = wanted.map(([name]) => name);
  const surplus = positionals[names.length];
  if (surplus !== undefined && names.at(-1)?.endsWith(anyNumber) !== true) {
    const takes = names.length === 0 ? 'no arguments' : `${names.join(' ').toUpperCase()} only`;
    throw new UsageError(`${command} takes ${takes}, so ${quoted(surplus)} is one too many: see ${command} --help.`);
  }
  const missing = wanted.slice(positionals.length).find(([, { required }]) => required !== false);
  if (missing !== undefined)
    throw new UsageError(`${command} needs ${missing[0].toUpperCase()}: see ${command} --help.`);
  return Object.fromEntries(positionals.slice(0, names.length).map((value, index) => [names[index], value]));
}
