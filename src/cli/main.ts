#!/usr/bin/env node
/** The program `diffrate`. */
import { errorSentence, exitCodes, runCommandLine } from './command-line.ts';
import { handleInterrupts } from './interrupt.ts';

// A result is printed last. A reader that has seen enough (`diffrate flops … | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.done);
  process.stderr.write(`error: The result cannot be printed (${error.message}): send it to another place.\n`);
  process.exit(exitCodes.failed);
});
// Progress that nobody reads, or that a full disk takes no more of, is dropped: the work goes on.
process.stderr.on('error', () => {});
// What is thrown outside of any await, in a thread's callback for instance, must not end in a stack
// trace either.
process.on('uncaughtException', (error) => {
  process.stderr.write(`${errorSentence(error)}\n`);
  process.exit(exitCodes.failed);
});
handleInterrupts();

process.exitCode = await runCommandLine(process.argv.slice(2));
