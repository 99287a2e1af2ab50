#!/usr/bin/env node
/** The program `diffrate`. */
import { errorSentence, exitCodes, runCommandLine } from './command-line.ts';
import { handleInterrupts } from './interrupt.ts';

// A reader that has seen enough (`diffrate flops … | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? exitCodes.done : exitCodes.failed);
});
// What is thrown outside of any await, in a thread's callback for instance, must not end in a stack
// trace either.
process.on('uncaughtException', (error) => {
  process.stderr.write(`${errorSentence(error)}\n`);
  process.exit(exitCodes.failed);
});
handleInterrupts();

process.exitCode = await runCommandLine(process.argv.slice(2));
