/**
 * In which blocks tokens go. Choosing and merging has a price of its own in every block that does
 * it, however few tokens go there: some fifty small operators, which FLOPs do not count. Learnt
 * numbers are spread over all blocks; most blocks with few removed tokens can leave them to a
 * neighbour and the network answers nearly the same.
 *
 * So blocks are taken out at the same cost, those that remove the fewest tokens first: half of them
 * at once, fewer where that is too many, in the end one by one. Their tokens go in the reducing
 * block before or in the one after. Blocks go where the loss rises by less than their price.
 */
import type { KeptNumbers } from '../reduction/schedule.ts';
import { tokenCount } from '../reduction/token-layout.ts';
import { numbersOf, project } from './projection.ts';
import type { Projection } from './projection.ts';
import type { ComparedImages, Entrant, Found, ScheduleLosses } from './race/race.ts';

/** How many of the blocks with the fewest removed tokens may be the one that goes. */
const considered = 3;

/**
 * Share of the looks that decide. A price needs no exact loss, and the local search that follows
 * asks all images.
 */
const decidingShare = 0.25;

/** A projection in which only these blocks may reduce. */
export function withBlocks<Context extends Projection>(context: Context, blocks: readonly number[]): Context {
  return { ...context, space: { ...context.space, searched: blocks } };
}

/** Searched blocks that remove tokens under a schedule. */
export function reducingBlocks(projection: Projection, kept: KeptNumbers): number[] {
  const { searched } = projection.space;
  return removedIn(projection, kept).flatMap((removed, index) => (removed > 0 ? [searched[index] as number] : []));
}

/** What is left of a schedule's reducing blocks. */
export interface FewerBlocks extends Found {
  readonly blocks: readonly number[];
}

/** What decides whether blocks go. */
export interface BlockLimits {
  /** By which share the loss may rise for a block. */
  readonly price: number;
  /** Image passes after which no further block is tried. */
  readonly passes: number;
}

/**
 * A schedule at the same cost that reduces in fewer blocks; it leads the images.
 * @param start has run on all images, and leads them.
 * @param onRace after each race, with the image passes so far; may stop the search by throwing.
 */
export async function fewerBlocks(
  projection: Projection,
  images: ComparedImages,
  start: Entrant,
  { price, passes }: BlockLimits,
  onRace: (passes: number) => Promise<void>,
): Promise<FewerBlocks> {
  let best: FewerBlocks = { ...start, blocks: reducingBlocks(projection, start.kept), passes: 0 };
  let count = Math.floor(best.blocks.length / 2);
  while (count > 0 && best.passes < passes) {
    const next = await without(projection, images, best, { price, count }, onRace);
    best = { ...(next.won ?? best), passes: next.passes };
    count = next.won === undefined ? Math.floor(count / 2) : Math.min(count, Math.floor(best.blocks.length / 2));
  }
  if (best.kept === start.kept) return best;
  const whole = images.candidate(best.kept);
  for (const look of images.looks.from(0)) await whole.run(look);
  const all = best.passes + whole.passes;
  // The images that did not decide may have a loss that is no number: then the start still leads.
  if (!whole.losses.every(Number.isFinite))
    return { ...start, blocks: reducingBlocks(projection, start.kept), passes: all };
  whole.lead();
  return { ...best, losses: whole.losses, passes: all };
}

/** So many blocks less, where the loss rises by less than their price. */
async function without(
  projection: Projection,
  images: ComparedImages,
  best: FewerBlocks,
  { price, count }: { readonly price: number; readonly count: number },
  onRace: (passes: number) => Promise<void>,
): Promise<{ readonly won?: FewerBlocks; readonly passes: number }> {
  const { kept, losses, blocks } = best;
  let { passes } = best;
  const allowed = losses.map((loss) => loss * (1 + price) ** count);
  const removed = removedIn(withBlocks(projection, blocks), kept);
  const order = [...removed.keys()].sort((a, b) => (removed[a] as number) - (removed[b] as number));
  // Several go together; of single ones the next that remove least may go as well.
  const choices = count > 1 ? [order.slice(0, count)] : order.slice(0, considered).map((index) => [index]);
  for (const gone of choices) {
    const left = blocks.filter((_, index) => !gone.includes(index));
    let won: FewerBlocks | undefined;
    for (const challenger of leftTo(withBlocks(projection, blocks), kept, gone)) {
      const candidate = images.candidate(challenger);
      const ahead = await isAhead(images, candidate, won?.losses ?? allowed);
      passes += candidate.passes;
      if (ahead) won = { kept: challenger, losses: candidate.losses, blocks: left, passes };
      await onRace(passes);
    }
    if (won !== undefined) return { won, passes };
  }
  return { passes };
}

/** Whether a schedule has less loss in the first looks, after each of them. */
async function isAhead({ looks }: ComparedImages, candidate: ScheduleLosses, losses: Float64Array): Promise<boolean> {
  let behind = 0;
  for (const look of looks.from(0).slice(0, Math.ceil(looks.count * decidingShare))) {
    await candidate.run(look);
    behind += looks.sum(candidate.losses, look) - looks.sum(losses, look);
    // A loss that is no number never wins.
    if (!(behind < 0)) return false;
  }
  return true;
}

/**
 * Schedules at the target in which some reducing blocks remove nothing: their tokens go later, or
 * earlier.
 * @param gone positions among the blocks of the projection.
 */
function leftTo(projection: Projection, kept: KeptNumbers, gone: readonly number[]): readonly KeptNumbers[] {
  const { merged, pruned } = numbersOf(projection, kept);
  const { cost, target, space } = projection;
  const staying = [...merged.keys()].filter((index) => !gone.includes(index));
  const left = withBlocks(
    projection,
    staying.map((index) => space.searched[index] as number),
  );
  /** The last block of those that go directly behind this one, or this one itself. */
  const lastBehind = (index: number): number => (gone.includes(index + 1) ? lastBehind(index + 1) : index);
  const at = (values: readonly number[], indices: readonly number[]): number[] =>
    indices.map((index) => values[index] as number);
  const earlier = staying.map(lastBehind);
  return (
    (String(earlier) === String(staying) ? [staying] : [staying, earlier])
      .map((ends) => project(left, { merged: at(merged, ends), pruned: at(pruned, staying) }))
      // The blocks that are left may have too few tokens to remove.
      .filter((schedule) => cost.value(schedule) <= target)
  );
}

/** How many tokens each searched block removes. */
function removedIn(projection: Projection, kept: KeptNumbers): number[] {
  let live = tokenCount(projection.space.layout);
  return numbersOf(projection, kept).merged.map((left) => {
    const removed = live - left;
    live = left;
    return removed;
  });
}
