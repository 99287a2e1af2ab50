/** What a search has found, as a schedule that says whom it is for and where it comes from. */
import { tokenCount } from '../models/configuration.ts';
import { effectiveSchedule } from '../reduction/schedule.ts';
import type { KeptNumbers, Schedule } from '../reduction/schedule.ts';
import type { Plan } from './plan.ts';
import type { SearchOptions } from './search-options.ts';

/**
 * The schedule, kept numbers lowered to what they really keep.
 * @param target in 10⁹ multiply-accumulates.
 * @param recipe length and kind of the search, in words.
 */
export function scheduleOf(
  { model, preset, changes }: Pick<SearchOptions, 'model' | 'preset' | 'changes'>,
  { preset: { merging }, cost, batchSize, seed }: Plan,
  target: number,
  kept: KeptNumbers,
  recipe: string,
): Schedule {
  const schedule: Schedule = {
    model: model.name,
    inputSize: model.configuration.inputSize,
    pruneKept: kept.pruneKept,
    mergeKept: kept.mergeKept,
    ...(merging === 'similarity' ? {} : { merging }),
    gflops: Number(cost.value(kept).toPrecision(6)),
    target,
    createdBy: `diffrate search, preset ${preset}${changes === undefined ? '' : ' changed'}, ${recipe} of ${batchSize} images, seed ${seed}`,
  };
  return effectiveSchedule(schedule, tokenCount(model.configuration));
}
