/**
 * The checkpoint of a search that runs: written now and then, at once where the search is to stop, and in its end. Whoever has put what was
 * found into its place removes it: until then nothing but the checkpoint knows it.
 */
import { DiffrateError } from '../errors.ts';
import { writeCheckpoint } from './checkpoint-file.ts';
import type { IdentifiedCheckpoint } from './checkpoint-file.ts';
import type { SearchOptions } from './search-options.ts';

/** A checkpoint is written at most this often, in ms: a step is cheap to repeat. */
const interval = 5000;

/** Where the search stands, on disk. */
export class PacedCheckpoint<Checkpoint extends IdentifiedCheckpoint> {
  readonly #path: string | undefined;
  readonly #signal: AbortSignal | undefined;
  #saved = performance.now();

  /** Without a path nothing is written. */
  constructor({ checkpoint, signal }: Pick<SearchOptions, 'checkpoint' | 'signal'>) {
    this.#path = checkpoint;
    this.#signal = signal;
  }

  /**
   * Writes a checkpoint where one is due, and stops the search where that was asked for.
   * @param state taken only where it is written.
   * @param doing where the search is, for a sentence: `after step 3 of 150`.
   * @throws {DiffrateError} where the search is to stop, or the file cannot be written.
   */
  async settle(state: () => Checkpoint, doing: string): Promise<void> {
    const stopped = this.#signal?.aborted === true;
    if (this.#path !== undefined && (stopped || performance.now() - this.#saved > interval)) {
      await writeCheckpoint(this.#path, state());
      this.#saved = performance.now();
    }
    if (stopped) throw new DiffrateError(`The search was stopped ${doing}; continue it with --resume.`);
  }

  /**
   * The search is done: a search that continues from here is so at once.
   * @throws {DiffrateError} where the file cannot be written.
   */
  async finish(state: Checkpoint): Promise<void> {
    if (this.#path !== undefined) await writeCheckpoint(this.#path, state);
  }
}
