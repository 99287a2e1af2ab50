/**
 * Progress on standard error: one line that is rewritten on a terminal, a plain line now and then
 * in a pipe.
 */
import { inCommandWords } from './command-words.ts';

/** Shortest time between two lines in ms, on a terminal and in a pipe. */
const intervals = { terminal: 100, pipe: 5000 } as const;

/** Where to write; `process.stderr` is one. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Reports of one long job. */
export class Progress {
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  #written = -Infinity;
  #open = false;
  #pending: string | undefined;

  constructor(stream: ProgressStream = process.stderr, now: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#now = now;
  }

  /** Shows how far the job is; calls in quick succession are left out. */
  update(line: string): void {
    this.#pending = line;
    const interval = this.#stream.isTTY === true ? intervals.terminal : intervals.pipe;
    if (this.#now() - this.#written >= interval) this.#flush();
  }

  /** Ends the line with the job's last report. */
  end(): void {
    this.#flush();
    if (this.#open) this.#stream.write('\n');
    this.#open = false;
    this.#written = -Infinity;
  }

  /** Writes a line of its own between reports. */
  note(line: string): void {
    if (this.#open) this.#stream.write('\r\u001B[K');
    this.#open = false;
    this.#stream.write(`${inCommandWords(line)}\n`);
  }

  #flush(): void {
    if (this.#pending === undefined) return;
    const line = this.#pending;
    this.#pending = undefined;
    this.#written = this.#now();
    if (this.#stream.isTTY === true) {
      this.#stream.write(`\r\u001B[K${line.slice(0, (this.#stream.columns ?? 80) - 1)}`);
      this.#open = true;
    } else {
      this.#stream.write(`${line}\n`);
    }
  }
}

/**
 * Runs work that reports, and ends its line whatever comes of it, so that an error sentence starts
 * on a line of its own.
 */
export async function withProgress<Result>(work: (progress: Progress) => Promise<Result>): Promise<Result> {
  const progress = new Progress();
  try {
    return await work(progress);
  } finally {
    progress.end();
  }
}
