/**
 * The checkpoint of a search that runs: written now and then, at once where the search is to stop,
 * and in its end. A store that is full or refuses costs the progress and not the search, which
 * goes on with a warning.
 */
import { DiffrateError, messageOf } from '../errors.ts';
import type { ProgressStore } from '../files/progress-store.ts';
import { writeCheckpoint } from './checkpoint.ts';
import type { IdentifiedCheckpoint, ProgressOptions } from './checkpoint.ts';

/** A checkpoint is written at most this often, in ms: a step is cheap to repeat. */
const interval = 5000;

/** Where the search stands, as it is kept. */
export class PacedCheckpoint<Checkpoint extends IdentifiedCheckpoint> {
  readonly #progress: ProgressStore | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onWarning: (message: string) => void;
  #saved = performance.now();

  /** Without a store nothing is kept. */
  constructor({ progress, onWarning, signal }: ProgressOptions & { readonly signal?: AbortSignal | undefined }) {
    this.#progress = progress;
    this.#signal = signal;
    this.#onWarning = onWarning ?? (() => {});
  }

  /**
   * Keeps a checkpoint where one is due, and stops the search where that was asked for.
   * @param state taken only where it is written.
   * @param doing where the search is, for a sentence: `after step 3 of 150`.
   * @throws {DiffrateError} where the search is to stop.
   */
  async settle(state: () => Checkpoint, doing: string): Promise<void> {
    const stopped = this.#signal?.aborted === true;
    if (!stopped && performance.now() - this.#saved <= interval) return;
    const failure = await this.#keep(state());
    if (!stopped) return;
    if (this.#progress === undefined) throw new DiffrateError(`The search was stopped ${doing}.`);
    throw new DiffrateError(
      failure === undefined
        ? `The search was stopped ${doing}; continue it with \`resume: true\`.`
        : `The search was stopped ${doing} and cannot be continued from there. ${failure}`,
    );
  }

  /** The search is done: a search that continues from here is so at once. */
  async finish(state: Checkpoint): Promise<void> {
    await this.#keep(state);
  }

  /** Returns what went wrong, in a sentence. */
  async #keep(state: Checkpoint): Promise<string | undefined> {
    if (this.#progress === undefined) return undefined;
    // Also where it fails: a store that is full must not be asked after every step.
    this.#saved = performance.now();
    try {
      await writeCheckpoint(this.#progress, state, 'search');
      return undefined;
    } catch (error) {
      const sentence = messageOf(error);
      this.#onWarning(sentence);
      return sentence;
    }
  }
}
