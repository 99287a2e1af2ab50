/**
 * Ctrl-C. A command that is stopped says so and ends; what it writes is written beside and renamed,
 * and what lies beside goes when the process exits. A search is asked to finish its step first, so
 * that it can write its checkpoint.
 */

/** Code of a process that was stopped: it has not done what it was asked for. */
const stoppedCode = 1;

/** Set while work is under way that can end by itself. */
let gracefully: (() => void) | undefined;

/** To be called once by the program. */
export function handleInterrupts(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (gracefully === undefined) {
        process.stderr.write('\nstopped\n');
        process.exit(stoppedCode);
      }
      // Whoever asks twice does not want to wait.
      const stop = gracefully;
      gracefully = undefined;
      process.stderr.write('\nstopping after this step, once more to stop at once\n');
      stop();
    });
  }
}

/** Runs work that ends by itself when the signal that it is given aborts. */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  gracefully = () => controller.abort();
  try {
    return await work(controller.signal);
  } finally {
    gracefully = undefined;
  }
}
