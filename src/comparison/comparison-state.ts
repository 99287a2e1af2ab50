/** What a comparison has done so far, in memory and on disk. */
import { imagesFingerprint, weightsFingerprint } from '../execution/fingerprints.ts';
import { messageOf } from '../errors.ts';
import { resumedFrom, writeCheckpoint } from '../search/checkpoint.ts';
import type { Identity, ProgressOptions } from '../search/checkpoint.ts';
import { comparisonCheckpoint } from './comparison-checkpoint.ts';
import type { ComparisonCheckpoint } from './comparison-checkpoint.ts';
import type { ComparisonOptions } from './comparison-options.ts';
import type { BaselineResult, ComparisonCell } from './comparison.ts';
import type { RankingSums } from './random-ranking.ts';
import type { SearchStage } from './schedule-source.ts';

/** A cell by what was asked for. */
export const cellName = (asked: string, budget: number): string => `${asked} at ${budget}`;

/**
 * Finished cells, the uncompressed network's results and sums of random schedules; written whenever
 * one is added.
 */
export class ComparisonState {
  /** The uncompressed network; saved with the next cells. */
  baseline: BaselineResult | null;
  readonly #cells = new Map<string, ComparisonCell>();
  readonly #sums: Map<string, RankingSums>;
  /** By their budgets in GFLOPs. */
  readonly #searches: Map<string, SearchStage>;
  readonly #identity: Identity;
  readonly #kept: ProgressOptions;

  private constructor(kept: ProgressOptions, identity: Identity, found: ComparisonCheckpoint | undefined) {
    this.#kept = kept;
    this.#identity = identity;
    this.baseline = found?.baseline ?? null;
    for (const cell of found?.cells ?? []) this.#cells.set(cellName(cell.asked, cell.budget), cell);
    this.#sums = new Map(Object.entries(found?.rankings ?? {}));
    this.#searches = new Map(Object.entries(found?.searches ?? {}));
  }

  /**
   * Starts anew, or from the checkpoint.
   * @throws {DiffrateError} where that is of another comparison
   */
  static async open(options: ComparisonOptions): Promise<ComparisonState> {
    // Only progress that is kept can be another's.
    if (options.progress === undefined) return new ComparisonState(options, {}, undefined);
    const { model, images: folder } = options;
    const identity = {
      comparison: options.identity,
      weights: await weightsFingerprint(model),
      images: await imagesFingerprint(folder),
      objective: options.objective?.name ?? 'usual',
    };
    return new ComparisonState(options, identity, await resumedFrom(options, identity, comparisonCheckpoint));
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

  /** How far this comparison has come with its search for a budget in GFLOPs. */
  search(gflops: number): SearchStage | undefined {
    return this.#searches.get(String(gflops));
  }

  /** Takes in how far a search is. */
  async keepSearch(gflops: number, stage: SearchStage): Promise<void> {
    this.#searches.set(String(gflops), stage);
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

  async #save(): Promise<void> {
    const { progress, onWarning } = this.#kept;
    if (progress === undefined) return;
    const checkpoint: ComparisonCheckpoint = {
      identity: this.#identity,
      baseline: this.baseline,
      cells: [...this.#cells.values()],
      rankings: Object.fromEntries(this.#sums),
      searches: Object.fromEntries(this.#searches),
    };
    // What is measured is worth more than its progress.
    await writeCheckpoint(progress, checkpoint, 'comparison').catch((error: unknown) => onWarning?.(messageOf(error)));
  }
}
