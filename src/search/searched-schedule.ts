/** What a search has found, as a schedule that says whom it is for and where it comes from. */
import { countFlops, flopsPerGflop } from '../cost/flops.ts';
import { effectiveSchedule } from '../reduction/schedule.ts';
import type { KeptNumbers, Schedule } from '../reduction/schedule.ts';
import { formatSelectionChoice } from '../reduction/selection-choice.ts';
import { tokenCount } from '../reduction/token-layout.ts';
import { inputSizeOf } from '../reduction/validate-schedule.ts';
import type { Plan } from './plan.ts';
import type { SearchOptions } from './search-options.ts';

/**
 * The schedule, kept numbers lowered to what they really keep.
 * @param target in the cost's unit.
 * @param recipe length and kind of the search, in words.
 */
export function scheduleOf(
  {
    model,
    images,
    selection: asked,
    changes,
    device,
  }: Pick<SearchOptions, 'model' | 'images' | 'selection' | 'changes' | 'device'>,
  { presetName, preset: { merging, selection }, cost, batchSize, seed }: Plan,
  target: number,
  kept: KeptNumbers,
  recipe: string,
): Schedule {
  const { network, name } = model;
  const rounded = (value: number): number => Number(value.toPrecision(6));
  const isFlops = cost.unit === 'GFLOPs';
  const own = {
    unit: cost.unit,
    value: rounded(cost.value(kept)),
    target,
    ...(device === undefined ? {} : { device }),
  };
  const schedule: Schedule = {
    model: name,
    inputSize: inputSizeOf(network.input),
    pruneKept: kept.pruneKept,
    mergeKept: kept.mergeKept,
    ...(merging === 'similarity' ? {} : { merging }),
    ...(selection === undefined ? {} : { selection }),
    ...(isFlops ? {} : { cost: own }),
    gflops: rounded(countFlops(network, kept).total / flopsPerGflop),
    target: isFlops ? target : `${target} ${cost.unit}`,
    createdBy: `diffrate search, preset ${presetName}${changes === undefined ? '' : ' changed'}${asked === undefined ? '' : `, selection ${formatSelectionChoice(selection)}`}, ${recipe} of ${batchSize} images${images.remark === undefined ? '' : ' (photos not turned)'}, seed ${seed}`,
  };
  return effectiveSchedule(schedule, tokenCount(network.layout));
}
