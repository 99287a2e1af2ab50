/**
 * Files that are moved one after the other, and moved back where one of them cannot be. In one go,
 * without giving way to signals: a program that is told to stop does so before or after it.
 */
import { mkdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';

/** Moves that can be taken back. */
export class ReversibleMoves {
  readonly #done: { readonly from: string; readonly to: string }[] = [];

  /**
   * Moves a file; the folder that it goes to is made.
   * @throws what the file system throws.
   */
  move(from: string, to: string): void {
    mkdirSync(dirname(to), { recursive: true });
    renameSync(from, to);
    this.#done.push({ from, to });
  }

  /**
   * Moves all back, the last one first.
   * @returns those that could not be: where each is now, by where it was.
   */
  takeBack(): Map<string, string> {
    const stuck = new Map<string, string>();
    for (const { from, to } of this.#done.splice(0).reverse()) {
      try {
        renameSync(to, from);
      } catch {
        stuck.set(from, to);
      }
    }
    return stuck;
  }
}
