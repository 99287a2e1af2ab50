/** What a comparison has done so far, in memory and on disk. */
import { readComparisonCheckpoint, writeComparisonCheckpoint } from './comparison-checkpoint.ts';
import type { ComparisonCheckpoint } from './comparison-checkpoint.ts';
import type { BaselineResult, ComparisonCell, ComparisonOptions } from './comparison-options.ts';
import type { RankingSums } from './random-ranking.ts';

/** A cell by what was asked for. */
export const cellName = (asked: string, budget: number): string => `${asked} at ${budget}`;

/** Finished cells, the uncompressed network's results and sums of random schedules; written whenever one is added. */
export class ComparisonState {
  /** The uncompressed network; saved with the next cells. */
  baseline: BaselineResult | null;
  /** Whether it goes on from a checkpoint. */
  readonly continued: boolean;
  readonly #cells = new Map<string, ComparisonCell>();
  readonly #sums: Map<string, RankingSums>;
  readonly #identity: string;
  readonly #path: string | undefined;
  readonly #warned = new Set<string>();

  private constructor(path: string | undefined, identity: string, found: ComparisonCheckpoint | undefined) {
    this.#path = path;
    this.#identity = identity;
    this.baseline = found?.baseline ?? null;
    this.continued = found !== undefined;
    for (const cell of found?.cells ?? []) this.#cells.set(cellName(cell.asked, cell.budget), cell);
    this.#sums = new Map(Object.entries(found?.rankings ?? {}));
  }

  /**
   * Starts anew, or from the checkpoint.
   * @throws {DiffrateError} where that is of another comparison
   */
  static async open({ checkpoint, resume, identity }: ComparisonOptions): Promise<ComparisonState> {
    const found = resume && checkpoint !== undefined ? await readComparisonCheckpoint(checkpoint, identity) : undefined;
    return new ComparisonState(checkpoint, identity, found);
  }

  /** Writes the first checkpoint: what is searched or measured from here on belongs to this comparison. */
  async begin(): Promise<void> {
    if (!this.continued) await this.#save();
  }

  /** The cell of a method as it was asked for; `undefined` where it is still to be done. */
  cell(asked: string, budget: number): ComparisonCell | undefined {
    return this.#cells.get(cellName(asked, budget));
  }

  /** Takes finished cells in. */
  async add(cells: readonly ComparisonCell[]): Promise<void> {
    for (const cell of cells) this.#cells.set(cellName(cell.asked, cell.budget), cell);
    await this.#save();
  }

  /** What was done of random schedules. */
  sums(name: string): RankingSums | undefined {
    return this.#sums.get(name);
  }

  /** Takes what is done of random schedules in. */
  async keepSums(name: string, sums: RankingSums): Promise<void> {
    this.#sums.set(name, sums);
    await this.#save();
  }

  /** The same image is left out in every pass; once is enough. */
  warn(message: string, onWarning: ((message: string) => void) | undefined): void {
    if (!this.#warned.has(message)) onWarning?.(message);
    this.#warned.add(message);
  }

  async #save(): Promise<void> {
    if (this.#path === undefined) return;
    await writeComparisonCheckpoint(this.#path, {
      identity: this.#identity,
      baseline: this.baseline,
      cells: [...this.#cells.values()],
      rankings: Object.fromEntries(this.#sums),
    });
  }
}
