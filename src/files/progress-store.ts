/**
 * The port through which long work keeps its progress, as text: a file in Node
 * (`progress-file.ts`), `localStorage` or IndexedDB in a page, a database's row.
 */

/** One place for the progress of one piece of work. */
export interface ProgressStore {
  /** What sentences call it: a path, a key. */
  readonly name: string;
  /** What was written last; `undefined` where there is nothing. */
  read(): Promise<string | undefined>;
  /** Puts a text in place of what was there, whole or not at all. */
  write(text: string): Promise<void>;
  /** Removes what is there; nothing is fine, too. */
  remove(): Promise<void>;
}
