/**
 * The command line: finds the command, checks its arguments, runs it, and turns whatever goes wrong
 * into one sentence and an exit code.
 */
import { stripVTControlCharacters } from 'node:util';
import { defineCommand, renderUsage } from 'citty';
import type { ArgsDef, CommandDef } from 'citty';
import { DiffrateError, UsageError, messageOf, quoted } from '../errors.ts';
import { inCommandWords } from './command-words.ts';
import { nearest } from '../options/nearest.ts';
import { threadsRemark } from '../threads/available-cores.ts';
import { oneLine, printWarning } from './output.ts';
import { parseArguments } from './strict-arguments.ts';
import { packageVersion } from './version.ts';

/** Exit codes: done, failed, used wrongly. */
export const exitCodes = { done: 0, failed: 1, usage: 2 } as const;

interface Command {
  readonly description: string;
  /** Loaded only when used: ONNX Runtime and image decoders take time to start. */
  readonly load: () => Promise<CommandDef<never>>;
}

// citty types a definition by its own arguments; what is common to all of them is only that they
// can be read and run.
const asCommand = (definition: unknown): CommandDef<never> => definition as CommandDef<never>;

const commands: Readonly<Record<string, Command>> = {
  compress: {
    description: 'search, export and measure: the main job',
    load: async () => asCommand((await import('./commands/compress.ts')).compressCommand),
  },
  search: {
    description: 'learn a schedule under a cost target',
    load: async () => asCommand((await import('./commands/search.ts')).searchCommand),
  },
  export: {
    description: 'write a model folder for a schedule',
    load: async () => asCommand((await import('./commands/export.ts')).exportCommand),
  },
  finetune: {
    description: 'train a network on with a schedule',
    load: async () => asCommand((await import('./commands/finetune.ts')).finetuneCommand),
  },
  train: {
    description: 'train a network from scratch',
    load: async () => asCommand((await import('./commands/train.ts')).trainCommand),
  },
  eval: {
    description: 'accuracy, and agreement with the uncompressed network',
    load: async () => asCommand((await import('./commands/eval.ts')).evalCommand),
  },
  bench: {
    description: 'throughput and latency beside the uncompressed network',
    load: async () => asCommand((await import('./commands/bench.ts')).benchCommand),
  },
  compare: {
    description: 'methods of token reduction side by side at equal cost',
    load: async () => asCommand((await import('./commands/compare.ts')).compareCommand),
  },
  flops: {
    description: 'cost per block',
    load: async () => asCommand((await import('./commands/flops.ts')).flopsCommand),
  },
  show: {
    description: 'what is kept, merged and pruned, as pictures',
    load: async () => asCommand((await import('./commands/show.ts')).showCommand),
  },
};

const helpFlags = ['--help', '-h'];

/**
 * Runs a command line (without the program's name).
 * @returns the exit code
 */
export async function runCommandLine(rawArguments: readonly string[]): Promise<number> {
  try {
    await dispatch(rawArguments);
    return exitCodes.done;
  } catch (error) {
    process.stderr.write(`${errorSentence(error)}\n`);
    return error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
  }
}

/** What is printed of an error: its sentence alone; of a defect, its message and where to look. */
export function errorSentence(error: unknown): string {
  const message = oneLine(messageOf(error));
  if (error instanceof DiffrateError) return `error: ${inCommandWords(message)}`;
  return `error: something went wrong inside diffrate (${message}); please report it.`;
}

/** `diffrate help compress` is `diffrate compress --help`. */
const withHelpLast = (given: readonly string[]): readonly string[] =>
  given[0] === 'help' && given.length > 1 ? [...given.slice(1), '--help'] : given;

async function dispatch(given: readonly string[]): Promise<void> {
  const [name, ...rest] = withHelpLast(given);
  if (name === undefined || helpFlags.includes(name) || (name === 'help' && rest.length === 0)) {
    await printHelp(overview, name === undefined ? process.stderr : process.stdout);
    if (name === undefined) throw new UsageError('A command is missing: name one of those above.');
    return;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${await packageVersion()}\n`);
    return;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    const near = nearest(name, Object.keys(commands));
    const advice = near === undefined ? `use one of ${Object.keys(commands).join(', ')}` : `did you mean ${near}?`;
    throw new UsageError(
      `There is no command ${quoted(name)}: ${advice}${near === undefined ? '.' : ' See diffrate --help.'}`,
    );
  }
  const definition = await command.load();
  const before = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
  if (before.some((argument) => helpFlags.includes(argument))) {
    await printHelp(definition);
    return;
  }
  const remark = threadsRemark(process.env['OMP_NUM_THREADS']);
  if (remark !== undefined) printWarning(remark);
  const args = parseArguments(rest, (definition.args ?? {}) as ArgsDef, `diffrate ${name}`);
  await definition.run?.({ args: args as never, rawArgs: rest, cmd: definition });
}

/** Only for the overview that `--help` prints. */
const overview = asCommand(
  defineCommand({
    meta: {
      name: 'diffrate',
      description: 'Makes Vision Transformers faster by learning how many tokens each block may drop',
    },
    subCommands: Object.fromEntries(
      Object.entries(commands).map(([name, { description }]) => [name, { meta: { name, description } }]),
    ),
  }),
);

async function printHelp(definition: CommandDef<never>, stream: NodeJS.WriteStream = process.stdout): Promise<void> {
  const usage = await renderUsage(definition);
  const plain = stripVTControlCharacters(usage).replace(/ +$/gm, '');
  stream.write(`${stream.isTTY ? usage : plain}\n`);
}
