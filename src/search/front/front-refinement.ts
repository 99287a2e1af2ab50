/**
 * The second phase of a front's search: budget after budget, compressed networks themselves are
 * asked. Turns start from the schedules found next to them, and the local search follows. At the
 * middle and below it, a step down the response surface comes before it. Every budget has reducing
 * blocks of its own.
 */
import type { KeptNumbers } from '../../reduction/schedule.ts';
import { continuedSchedule } from './continued-schedule.ts';
import { learnerFor, passesDone, passReport, pointOf } from './front-course.ts';
import type { FrontCourse } from './front-course.ts';
import type { FrontBudget, FrontTurn } from './front-plan.ts';
import { continueLocalSearch, localSearch } from '../local-search.ts';
import type { LocalSearchContext, LocalSearchProgress, LocalSearchState } from '../local-search.ts';
import { compareWithLines, turnsBetween } from './neighbours-line.ts';
import { passesOf } from '../plan.ts';
import { numbersOf } from '../projection.ts';
import { EvaluatedImages } from '../race/candidate.ts';
import { lossesOf, meanOf } from '../race/race.ts';
import { surfaceStep } from './response-surface.ts';
import { startAfterGradients } from '../starting-schedule.ts';
import type { KnownStart } from '../starting-schedule.ts';
import { fewPassesForBlocks, inWorthwhileBlocks } from '../worthwhile-blocks.ts';

/** Searches what is not found yet. */
export async function refineAll(course: FrontCourse): Promise<void> {
  const { options, plan, evaluator, found, resumed, settle } = course;
  const before = resumed?.loss ?? meanOf(found.at(-1)?.losses ?? [0]);
  const state = resumed?.localSearch === undefined ? {} : { localSearch: resumed.localSearch };
  const onBatch = (): Promise<void> =>
    settle({ step: plan.steps, loss: before, ...state }, 'before its local searches');
  const looks = await evaluator.calibrate(plan.refinement.looks, onBatch);
  const images = new EvaluatedImages(options.model.network, evaluator, looks);
  const { search, turns } = plan;
  const passes = plan.front.passes * passesOf(search, plan.refinement, images.looks.images);
  const lines = turnsBetween(plan).length * images.looks.images;
  const blocks = turns.length * fewPassesForBlocks(images);
  const report = passReport(
    course,
    Math.ceil(passes + lines + blocks),
    passesDone(found) + (resumed?.localSearch?.passes ?? 0),
  );
  let continued = resumed?.localSearch;
  // The schedule of the last turn led the images before the stop, too.
  const last = found.at(-1);
  if (last !== undefined && continued === undefined) await lossesOf(images, last.kept);
  for (const turn of turns.slice(found.length)) {
    const { ratio, target } = turn.budget;
    const { space, cost, seed } = search;
    const recipe = plan.refinement;
    const context = { space, cost, target, recipe, passes: Math.ceil(passes * turn.share), seed };
    const done = passesDone(found);
    const onMove = async (move: LocalSearchProgress): Promise<void> => {
      report(turn, done + move.state.passes, move);
      const state = { step: plan.steps, loss: move.loss, localSearch: move.state };
      await settle(state, `in the local search of budget ${ratio}`);
    };
    const started = continued === undefined ? await startOf(course, turn, context, images) : undefined;
    if (started !== undefined) await onMove(whereItStarts(started));
    const begin = started?.begin ?? (continued as LocalSearchState);
    continued = undefined;
    const { kept, losses, state } = await localSearch(context, images, begin, onMove, started?.known);
    found.push({ ratio, kept, losses: [...losses], localSearch: { ...state, tried: [] } });
  }
  await compareWithLines(course, images, report);
}

/**
 * Where the local search of a turn starts, in as many blocks as are worth it: that of the middle
 * and of what is cheaper after a step down the response surface.
 */
async function startOf(
  course: FrontCourse,
  turn: FrontTurn,
  context: LocalSearchContext,
  images: EvaluatedImages,
): Promise<KnownStart> {
  const { options, plan, found, settle } = course;
  const look = found.length % images.looks.count;
  const settleAt = (loss: number): Promise<void> =>
    settle({ step: plan.steps, loss }, `before the local search of budget ${turn.budget.ratio}`);
  const former = meanOf(found.at(-1)?.losses ?? [0]);
  const first = await firstStart(course, turn, context, images, look, () => settleAt(former));
  const start = turn.dearer ? first : await downTheSurface(first);
  // What the start has used up is not taken from the blocks.
  const settleIn = (_: number, loss: number): Promise<void> => settleAt(loss);
  return inWorthwhileBlocks(options, context, images, start, settleIn, fewPassesForBlocks(images));

  async function downTheSurface({ begin, known }: KnownStart): Promise<KnownStart> {
    const settled = (): Promise<void> => settleAt(meanOf(known.losses));
    const step = await surfaceStep(context, images, { known, look, recipe: plan.front.surface }, settled);
    const { merged, pruned } = numbersOf(context, step.kept);
    return { begin: { ...begin, merged, pruned, passes: begin.passes + step.passes }, known: step };
  }
}

const whereItStarts = ({ begin, known }: KnownStart): LocalSearchProgress => ({
  state: begin,
  kept: known.kept,
  loss: meanOf(known.losses),
});

/** What gradients have learnt, or what follows from the neighbours. */
async function firstStart(
  { plan, learners, found }: FrontCourse,
  turn: FrontTurn,
  context: LocalSearchContext,
  images: EvaluatedImages,
  look: number,
  onRace: () => Promise<void>,
): Promise<KnownStart> {
  const { budget, nearest, beyond, across } = turn;
  const uniform = learnerFor(plan, budget).finish();
  const learner = learners.get(turn);
  if (learner !== undefined) return startAfterGradients(context, images, { learnt: learner.finish(), uniform }, onRace);
  const former = pointOf(found, (nearest as FrontBudget).ratio);
  const keptAt = (other: FrontBudget | undefined): KeptNumbers | undefined =>
    other === undefined ? undefined : pointOf(found, other.ratio).kept;
  const neighbours = { nearest: former.kept, beyond: keptAt(beyond), across: keptAt(across), uniform };
  const known = await continuedSchedule(context, images, neighbours, look);
  return { begin: continueLocalSearch(context, known.kept, known.passes, former.localSearch), known };
}
