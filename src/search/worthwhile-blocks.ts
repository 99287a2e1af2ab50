/**
 * A start of the local search in as many blocks as are worth their operators. Recipes say what cost
 * is worth, `cost/block-overhead.ts` what a block's operators are, and `reducing-blocks.ts` takes
 * blocks out.
 */
import { blockPrice, defaultBlockOverhead } from '../cost/block-overhead.ts';
import { countFlops, flopsPerGflop } from '../cost/flops.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { LocalSearchContext } from './local-search.ts';
import type { RefinementRecipe } from './presets.ts';
import { numbersOf } from './projection.ts';
import { meanOf } from './race/race.ts';
import type { ComparedImages } from './race/race.ts';
import { fewerBlocks, withBlocks } from './reducing-blocks.ts';
import type { SearchOptions } from './search-options.ts';
import type { KnownStart } from './starting-schedule.ts';

/** Part of the image passes that are left which blocks may take. */
const shareOfPasses = 0.5;

/** Image passes that are enough for the blocks where little is left. */
export const fewPassesForBlocks = ({ looks }: ComparedImages): number => 2 * looks.images;

/** What a block's price follows from. */
export type PricedOptions = Pick<SearchOptions, 'model' | 'blockOverhead'>;

/**
 * By which share the loss may rise for a block less; 0 where every block may remove tokens.
 * @param kept schedule whose FLOPs stand for those of the budget.
 */
export function priceOfBlock(
  { model, blockOverhead = defaultBlockOverhead }: PricedOptions,
  { lossPerCost }: Pick<RefinementRecipe, 'lossPerCost'>,
  kept: KeptNumbers,
): number {
  if (lossPerCost === undefined || blockOverhead === 0) return 0;
  return blockPrice(blockOverhead, countFlops(model.network, kept).total / flopsPerGflop, lossPerCost);
}

/**
 * The start in fewer blocks; it leads the images.
 * @param onRace after each race, with all image passes so far and the mean loss that was known; may
 *   stop the search by throwing.
 * @param least image passes that this may take where fewer, or none, are left.
 */
export async function inWorthwhileBlocks(
  options: PricedOptions,
  context: LocalSearchContext,
  images: ComparedImages,
  { begin, known }: KnownStart,
  onRace: (passes: number, loss: number) => Promise<void>,
  least = 0,
): Promise<KnownStart> {
  const price = priceOfBlock(options, context.recipe, known.kept);
  if (price === 0) return { begin, known };
  const left = Math.max(0, context.passes - begin.passes);
  // A short search leaves more to this, and less to single numbers.
  const most = Math.max(shareOfPasses * left, fewPassesForBlocks(images));
  const loss = meanOf(known.losses);
  const { blocks, passes, kept, losses } = await fewerBlocks(
    context,
    images,
    known,
    { price, passes: Math.max(least, Math.min(left, most)) },
    (more) => onRace(begin.passes + more, loss),
  );
  const numbers = numbersOf(withBlocks(context, blocks), kept);
  return { begin: { ...begin, ...numbers, passes: begin.passes + passes, blocks }, known: { kept, losses } };
}
