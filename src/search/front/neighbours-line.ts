/**
 * The last phase of a front's search: the middle and every cheaper budget that has neighbours on
 * both sides races against the line between them. The middle had no neighbours when its turn came,
 * those of the others have changed since, and errors of schedules that were not searched to their
 * end are averaged on the line. Dearer budgets are left: lines lost there. A line that removes
 * tokens in more blocks has to be ahead by their price.
 */
import type { KeptNumbers } from '../../reduction/schedule.ts';
import { lineAt } from './continued-schedule.ts';
import type { FoundPoint } from './front-checkpoint.ts';
import { passesDone } from './front-course.ts';
import type { FrontCourse, PassReport } from './front-course.ts';
import type { FrontBudget, FrontPlan, FrontTurn } from './front-plan.ts';
import { numbersOf } from '../projection.ts';
import type { Projection } from '../projection.ts';
import { meanOf, raceAgainst } from '../race/race.ts';
import type { ComparedImages, Entrant } from '../race/race.ts';
import { reducingBlocks } from '../reducing-blocks.ts';
import { withPruned } from '../starting-schedule.ts';
import { priceOfBlock } from '../worthwhile-blocks.ts';

/** A turn whose schedule is compared. */
export interface BetweenNeighbours {
  readonly turn: FrontTurn;
  /** The next larger budget, and the next smaller one. */
  readonly dearer: FrontBudget;
  readonly cheaper: FrontBudget;
}

/** Turns that are compared, in their order. */
export function turnsBetween({ budgets, turns }: FrontPlan): BetweenNeighbours[] {
  return turns.flatMap((turn) => {
    const position = budgets.indexOf(turn.budget);
    const [dearer, cheaper] = [budgets[position - 1], budgets[position + 1]];
    return turn.dearer || dearer === undefined || cheaper === undefined ? [] : [{ turn, dearer, cheaper }];
  });
}

/** Compares one after the other; a search that is stopped meanwhile begins with the first again. */
export async function compareWithLines(course: FrontCourse, images: ComparedImages, report: PassReport): Promise<void> {
  const { options, plan, found, settle } = course;
  const points = new Map(found.map((point) => [point.ratio, point]));
  const pointAt = ({ ratio }: FrontBudget): FoundPoint => points.get(ratio) as FoundPoint;
  for (const [index, { turn, dearer, cheaper }] of turnsBetween(plan).entries()) {
    const { ratio, target } = turn.budget;
    const point = pointAt(turn.budget);
    const { kept, losses, passes } = await orBetween({ ...plan.search, target }, images, {
      known: { kept: point.kept, losses: Float64Array.from(point.losses) },
      dearer: pointAt(dearer).kept,
      cheaper: pointAt(cheaper).kept,
      look: index % images.looks.count,
      price: priceOfBlock(options, plan.refinement, point.kept),
    });
    const localSearch = { ...point.localSearch, passes: point.localSearch.passes + passes };
    points.set(ratio, { ratio, kept, losses: [...losses], localSearch });
    const loss = meanOf(losses);
    report(turn, passesDone([...points.values()]), { kept, loss });
    await settle({ step: plan.steps, loss }, `after budget ${ratio} was compared with its neighbours`);
  }
  found.splice(0, found.length, ...points.values());
}

/** What is compared. */
export interface Compared {
  readonly known: Entrant;
  /** Schedules of the next larger budget, and of the next smaller one. */
  readonly dearer: KeptNumbers;
  readonly cheaper: KeptNumbers;
  /** With which the race begins. */
  readonly look: number;
  /** By which share the loss may rise for a reducing block less. */
  readonly price: number;
}

/**
 * The winner of a race between a schedule and the line between its neighbours, which prunes nothing
 * where that one prunes nothing.
 */
export async function orBetween(
  projection: Projection,
  images: ComparedImages,
  { known, dearer, cheaper, look, price }: Compared,
): Promise<Entrant & { readonly passes: number }> {
  const line = lineAt(projection, dearer, cheaper);
  const mergesOnly = numbersOf(projection, known.kept).pruned.every((count) => count === 0);
  const kept = mergesOnly ? withPruned(projection, line, 0) : line;
  const blocksOf = (schedule: KeptNumbers): number => reducingBlocks(projection, schedule).length;
  const allowed = known.losses.map((loss) => loss * (1 + price) ** (blocksOf(known.kept) - blocksOf(kept)));
  const { won, losses, passes } = await raceAgainst(images, kept, allowed, look);
  return won ? { kept, losses, passes } : { ...known, passes };
}
